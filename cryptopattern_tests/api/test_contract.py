"""The service against its own OpenAPI document: every check of schemathesis, on every operation."""

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from cryptopattern_pipelines.api.parameters import SYMBOL_FORM
from cryptopattern_pipelines.market.symbols import parse
from cryptopattern_tests.api.conftest import PICTURES, Service

HERE = {"Host": "127.0.0.1"}
EXAMPLES = 20  # of each operation, beside those that the document's own limits ask for

# Without a parameter there is nothing that could be wrong.
_NOTHING_TO_GET_WRONG = ("/api/v1/health", "/api/v1/symbols", "/metrics")
OPERATIONS = [
    ("GET", "/api/v1/health"),
    ("GET", "/metrics"),
    ("GET", "/api/v1/snapshots/{symbol}"),
    ("GET", "/api/v1/analyses/{symbol}"),
    ("GET", "/api/v1/win-rates/{symbol}"),
    ("GET", "/api/v1/events/{symbol}"),
    ("GET", "/api/v1/forecasts/{symbol}"),
    ("GET", "/api/v1/patterns/{symbol}"),
    ("GET", "/api/v1/squeeze-alerts"),
    ("GET", "/api/v1/symbols"),
    ("POST", "/api/v1/analyze/{symbol}"),
    ("GET", "/api/v1/readings/{sha256}"),
    ("GET", "/api/v1/readings/{sha256}/picture"),
]


@pytest.fixture(scope="module")
def document(service: Service) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", service.client.app, headers=HERE)


def test_every_operation_of_the_document_is_tried(document: Any) -> None:
    found = [result.ok() for result in document.get_all_operations()]
    assert sorted((operation.method.upper(), operation.path) for operation in found) == sorted(OPERATIONS)


def test_every_error_is_told_in_our_own_shape(service: Service) -> None:
    told = service.client.get("/openapi.json").json()
    shapes = {
        (path, status, answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2])
        for path, methods in told["paths"].items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
    }
    assert {shape for path, status, shape in shapes if (path, status) != ("/api/v1/health", "503")} == {"ErrorAnswer"}
    assert list(told["components"]["schemas"]["ErrorAnswer"]["properties"]) == ["success", "error", "message"]
    assert "ValidationError" not in service.client.get("/openapi.json").text


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_keeps_to_the_document(
    document: Any, service: Service, method: str, path: str, mode: GenerationMode
) -> None:
    if mode.is_negative and path in _NOTHING_TO_GET_WRONG:
        return
    operation = document[path][method]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def check(case: schemathesis.Case[Any]) -> None:
        if mode.is_positive:
            put_right(case, service)
        answer = case.call_and_validate(headers=HERE)
        assert answer.status_code < 500

    check()


def put_right(case: schemathesis.Case[Any], service: Service) -> None:
    """What the document can't say: a cursor is what a page before gave, a range begins before it ends, and images are
    pictures.
    """
    if isinstance(case.body, dict) and isinstance(images := case.body.get("images"), list):
        pictures = [PICTURES[number % len(PICTURES)].read_bytes() for number in range(len(images))]
        case.body["images"] = pictures  # type: ignore[assignment]
    query: dict[str, Any] = case.query or {}
    if "cursor" in query:
        path = case.operation.path.replace("{symbol}", "BTC")
        cursor = service.client.get(path, params={"limit": 1}).json()["data"]["next"]
        del query["cursor"]
        if cursor is not None:
            query["cursor"] = cursor
    if "from" in query and "to" in query:
        del query["to"]


@given(st.from_regex(SYMBOL_FORM, fullmatch=True))
def test_every_symbol_of_the_documented_form_names_a_coin(name: str) -> None:
    assert re.fullmatch(r"[A-Z0-9一-鿿]{1,30}", parse(name).coin)


CHART = PICTURES[0].read_bytes()
SPOILT = st.one_of(
    st.binary(max_size=200),
    st.integers(0, len(CHART)).map(lambda length: CHART[:length]),
    st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=8)).map(
        lambda change: CHART[: change[0]] + change[1] + CHART[change[0] + len(change[1]) :]
    ),
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(
    st.lists(st.tuples(st.text(max_size=30), SPOILT), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["timeframes", "include_historical", "other"]), st.text(max_size=12)),
)
def test_whatever_is_uploaded_is_read_or_refused_with_its_reason(
    service: Service, files: list[tuple[str, bytes]], fields: dict[str, str]
) -> None:
    images = [("images", (name, data)) for name, data in files]
    answer = service.client.post("/api/v1/analyze/BTC", files=images, data=fields)
    assert answer.status_code in (200, 400, 413, 415, 422), answer.text
    if answer.status_code != 200:
        assert list(answer.json()) == ["success", "error", "message"]

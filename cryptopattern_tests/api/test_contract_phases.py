"""The service against its own OpenAPI document, as schemathesis goes through one by itself: every limit of every
parameter, methods that there are not, and one answer's links followed to the next; all checks.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from cryptopattern_tests.api.conftest import PICTURES, Service
from cryptopattern_tests.api.test_contract import HERE, OPERATIONS, put_right

SCENARIOS, STEPS = 6, 6
# A picture is read in a process of its own, for which a busy machine may take its time.
PATIENCE = 60


@pytest.fixture
def document(service: Service) -> Iterator[Any]:
    """The document, and what it can't say put right in each case that is meant to be right."""

    @schemathesis.hook
    def before_call(_context: Any, case: Any, sent: dict[str, Any]) -> None:
        if case.meta is None or not case.meta.generation.mode.is_positive:
            return
        if isinstance(case.body, dict) and "images" in case.body:
            # Beside the case: one with pictures in it would be taken for one that breaks the document.
            images = range(len(case.body["images"]))
            sent["files"] = [
                ("images", (f"{number}.png", PICTURES[number % len(PICTURES)].read_bytes())) for number in images
            ]
            sent["data"] = {name: value for name, value in case.body.items() if name != "images"}
        else:
            put_right(case, service)

    found = schemathesis.openapi.from_asgi("/openapi.json", service.client.app, headers=HERE)
    found.config.update(headers=HERE)
    found.config.request_timeout = PATIENCE
    found.config.seed = 1
    yield found
    schemathesis.hooks.unregister_all()


def run(document: Any, phase: str) -> Iterator[Any]:
    """Run a phase; its scenarios' records, in each of which nothing failed."""
    document.config.phases.update(phases=[phase])
    for event in from_schema(document).execute():
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        if isinstance(event, events.ScenarioFinished):
            record = event.recorder
            for number, checks in record.checks.items():
                case = record.cases[number].value
                for check in checks:
                    told = check.failure_info and check.failure_info.failure
                    assert told is None, f"{case.method} {case.formatted_path} {case.query}: {check.name}: {told}"
            yield record


def statuses_of(record: Any) -> list[int]:
    """Statuses of a scenario's answers; the key and the host's name were right, or nothing was tried."""
    found = [interaction.response.status_code for interaction in record.interactions.values()]
    assert not [status for status in found if status >= 500 or status in (401, 403)]
    return found


def test_every_limit_of_the_document_is_kept(document: Any) -> None:
    tried = {record.label: statuses_of(record) for record in run(document, "coverage")}
    assert sorted(tried) == sorted(f"{method} {path}" for method, path in OPERATIONS)
    assert all(405 in found for found in tried.values())
    assert sum(map(len, tried.values())) > 300


def test_links_lead_from_each_answer_to_the_next(document: Any) -> None:
    document.config.phases.stateful.max_steps = STEPS
    document.config.phases.stateful.generation.max_examples = SCENARIOS
    followed = [statuses_of(record) for record in run(document, "stateful")]
    assert sum(len(found) > 1 for found in followed) >= SCENARIOS // 2

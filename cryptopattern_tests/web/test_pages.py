"""What the pages say, to whom, and what they leave behind."""

import base64
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cryptopattern_pipelines import for_people
from cryptopattern_pipelines.resources.settings import Settings, load_settings
from cryptopattern_pipelines.web import rendering, views
from cryptopattern_tests.api.conftest import KEY, Service, serving, with_key
from cryptopattern_tests.web.conftest import BROWSER, DISTRIBUTION, HARM, MAP

PAGES = ["/", "/symbols/ETH", "/symbols/ETH?days=90", "/read", "/docs", f"/pictures/{'cd' * 32}"]


def text_of(html: str) -> str:
    """What a page says, tags taken out and blanks made one."""
    plain = re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " ")
    return " ".join(plain.split())


def page(service: Service, path: str, status: int = 200, **more: Any) -> str:
    answer = service.client.get(path, **more)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def send(
    service: Service, data: bytes, name: str = "chart.png", form: dict[str, str] | None = None, **more: Any
) -> Any:
    return service.client.post("/read", files=[("images", (name, data))], data=form or {}, **more)


def files(settings: Settings) -> set[str]:
    """Everything that is kept, but for the database and the record of who wrote."""
    kept = (file for file in settings.data.rglob("*") if file.is_file() and file.name != "audit.jsonl")
    return {str(file) for file in kept if "postgres" not in file.parts}


def test_the_first_page_tells_each_symbol_s_state(service: Service) -> None:
    told = text_of(page(service, "/"))
    assert "2 followed, newest hour 2025-01-29 23:00" in told
    assert "$100.00 +2.5 %" in told
    assert "short squeeze 61 of 100, major" in told
    assert "(long, 24 hours) won 39 % (24 to 56 %, n = 31); any hour: 41 % (n = 84): no edge over any hour" in told
    assert "short squeeze: 7 % (came 4 to 12 %, n = 88 days); base rate 9 % (n = 540)" in told
    assert "long squeeze −6.4 % 2025-01-20 08:00 (10 days before)" in told
    assert "as of 2025-01-30 00:00" in told


def test_a_score_that_claims_nothing_is_no_squeeze_and_has_no_odds() -> None:
    row = {"squeeze_type": "SHORT_SQUEEZE", "probability": 0.0, "severity": "MINOR"}
    parts = "{% import '_parts.html' as parts %}"
    environment = rendering._environment()
    assert "no squeeze is signalled" in environment.from_string(parts + "{{ parts.claim(row) }}").render(row=row)
    assert not environment.from_string(parts + "{{ parts.odds(none, row) }}").render(row=row).strip()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["ETH", HARM]),
        ("?q=eth", ["ETH"]),
        ("?q=ethusdt", ["ETH"]),
        ("?q=ET&sort=symbol", ["ETH"]),
        ("?sort=symbol", [HARM, "ETH"]),
        ("?q=nope", []),
        ("?q=%25", []),
        ("?q=' OR 1=1 --", []),
        ("?page=99", ["ETH", HARM]),
        ("?sort=volume&utm=x", [HARM, "ETH"]),
    ],
)
def test_symbols_are_found_and_sorted(service: Service, query: str, found: list[str]) -> None:
    html = page(service, f"/{query}")
    names = re.findall(r'<h2 id="s-\d+"><a href="[^"]*">([^<]*)</a>', html)
    assert names == [name.replace("<", "&lt;").replace(">", "&gt;") for name in found]
    assert ("holds “" in html) is not bool(found)


def test_many_symbols_come_in_pages(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PER_PAGE", 1)
    first, second = page(service, "/?q="), page(service, "/?page=2")
    assert 'rel="next" href="/?q=&amp;sort=score&amp;page=2"' in first
    assert 'rel="prev"' in second
    assert 'rel="next"' not in second


def test_a_symbol_s_page_has_every_rate_beside_interval_sample_and_base_rate(service: Service) -> None:
    html = page(service, "/symbols/ethusdt")
    told = text_of(html)
    for span in ("24 hours", "7 days", "1 month"):
        for side in ("long", "short"):
            expected = f"{span} {side} 39 % 24 to 56 % 31 41 % 84 0.94 −0.1 % no edge over any hour"
            assert expected in told
    assert "short squeeze 7 % 4 to 12 % 88 9 % 540 logistic volatility -0.3" in told
    assert (
        "volume dries up volume &lt; half 24 hours long 46 % 27 to 65 % 22 41 % 84 0.70 no edge over any hour" in told
    )
    assert "121.00 +21.0 % shorts 1.00 liquidation map 2025-01-29 20:00" in told
    assert "2025-01-20 08:00 ▼ long squeeze −6.4 % 1.0 moderate – – volume spike" in told
    assert "2025-01-12 08:00 ▼ long squeeze (price alone) −5.1 % 1.0 moderate" in told
    assert "long squeeze −5.1 % (price alone), 2025-01-12 08:00" in told  # over the chart
    assert "2025-01-29 106.00 100.00 116.00 100.00" in told
    assert "taken 2025-01-29 23:00" in told
    assert "S 121.00" in told  # the level near the price is drawn, the far one is not
    assert "S 700" not in told


def test_the_charts_are_sound_and_say_what_they_show(service: Service) -> None:
    html = page(service, "/symbols/ETH?days=7")
    charts = re.findall(r'<svg class="chart.*?</svg>', html, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        root = ET.fromstring(chart)
        names = {element.get("id"): element for element in root.iter()}
        labels = (root.get("aria-labelledby") or "").split()
        assert [("".join(names[label].itertext())) for label in labels] == [
            "Price of ETH, USD",
            "0 squeezes shaded and 2 levels read from charts drawn; the tables below hold the same figures.",
        ]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light_and_asks_of_nobody_else(service: Service, path: str) -> None:
    html = page(service, path)
    own = sum(len(data) for data, _ in rendering.static_files().values())
    assert len(html.encode()) + own < 100_000
    addresses = re.findall(r'(?:href|src|action|data|srcset)="([^"]*)"', html)
    assert all(address.startswith(("/", "#")) for address in addresses), addresses
    assert " style=" not in html
    assert "<style" not in html
    assert not re.findall(r"<script(?! src=\"/static/page\.js)[^>]*>", html)
    assert not re.search(r"<[^>]* on[a-z]+=", html)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_bears_a_strict_policy_and_is_kept_while_it_is_the_same(service: Service, path: str) -> None:
    first = service.client.get(path)
    policy = first.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert first.headers["X-Frame-Options"] == "DENY"
    again = service.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.headers["Content-Security-Policy"] == policy


def test_what_symbols_and_pictures_say_is_escaped(service: Service) -> None:
    for path in ("/", "/symbols/ETH", f"/pictures/{'cd' * 32}", f"/?q={HARM}"):
        html = page(service, path)
        assert "<img src=x" not in html
        assert "<script>pwned" not in html
        assert "&lt;img src=x" in html
    sent = send(service, MAP.read_bytes(), f"{HARM}.png")
    assert sent.status_code == 200
    assert "<img src=x" not in sent.text
    assert "&lt;img src=x" in sent.text


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/nowhere", 404, "there is nothing here"),
        ("/symbols/NOPE", 404, "nothing is known of NOPE"),
        ("/symbols/..%2f..%2fetc", 404, "there is nothing here"),
        ("/symbols/%3Cscript%3E", 400, "symbol:"),
        ("/symbols/ETH?days=5", 400, "days:"),
        ("/?sort=;drop", 400, "sort:"),
        ("/?page=0", 400, "page:"),
        (f"/pictures/{'0' * 64}", 404, "no picture of this hash"),
        ("/static/..%2fpage.css", 404, "there is nothing here"),
        ("/static/page.py", 404, "there is no such file"),
    ],
)
def test_errors_are_pages_for_browsers_and_json_for_programs(
    service: Service, path: str, status: int, told: str
) -> None:
    html = page(service, path, status)
    assert told in text_of(html)
    assert "<script>" not in html
    answer = service.client.get(path, headers={"Accept": "application/json"})
    assert answer.status_code == status
    assert list(answer.json()) == ["success", "error", "message"]


def test_what_is_made_for_programs_answers_in_json_whoever_asks(service: Service) -> None:
    for path in ("/api/v1/analyses/NOPE", "/api/v1/nowhere"):
        assert service.client.get(path).json()["success"] is False


def test_an_empty_store_says_what_to_do_next(empty: Settings) -> None:
    with serving(empty) as bare:
        told = text_of(page(bare, "/", headers=BROWSER))
        missing = text_of(page(bare, "/symbols/BTC", 404, headers=BROWSER))
    assert "Nothing is analysed yet: run make demo for the bundled sample or make backfill FROM=… TO=…" in told
    assert "nothing is known of BTC" in missing


def test_a_picture_is_read_and_nothing_of_it_is_kept(service: Service) -> None:
    before = files(service.settings)
    answer = send(service, DISTRIBUTION.read_bytes())
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    told = text_of(answer.text)
    assert "liquidation distribution all, confidence" in told
    assert "It is not kept." in told
    assert re.search(r"BTC \d+\.\d % \d+\.\d %", told)
    assert "What the signals say" not in told
    [drawn] = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', answer.text)
    assert base64.b64decode(drawn).startswith(b"\xff\xd8")
    assert files(service.settings) == before
    # The same again is read again, since nothing was kept.
    assert send(service, DISTRIBUTION.read_bytes()).status_code == 200
    assert files(service.settings) == before


def test_with_a_coin_it_is_analysed_as_the_rest_interface_does(service: Service) -> None:
    data, name = DISTRIBUTION.read_bytes(), "2025-01-29_23-10-00.png"
    told = text_of(send(service, data, name, {"symbol": "ethusdt"}).text)
    answer = service.client.post("/api/v1/analyze/ETH", files=[("images", (name, data))])
    analysis = answer.json()["data"]["squeeze_analysis"]
    assert analysis["explanation"] in told
    assert (
        f"{analysis['probability']:.0f} of 100, {analysis['severity'].lower()}" in told or not analysis["probability"]
    )
    assert "Hour of 2025-01-29 23:00" in told


@pytest.mark.parametrize(("coin", "folder"), [("sol", "SOL"), ("", "")])
def test_a_picture_is_kept_where_the_next_run_finds_it_when_asked(service: Service, coin: str, folder: str) -> None:
    data = DISTRIBUTION.read_bytes() + coin.encode() + b"kept"  # what follows a PNG's end is no part of the picture
    for _ in range(2):  # sent again it is the same picture
        answer = send(service, data, "2025-01-28_10-11-12.png", {"symbol": coin, "keep": "yes"})
        assert answer.status_code == 200, answer.text
        assert "It is kept, and the next run reads it." in answer.text
    landing = service.settings.landing_folder
    found = [file for file in landing.rglob("*.png") if file.read_bytes() == data]
    assert [file.parent for file in found] == [landing / folder]
    assert found[0].name.startswith("2025-01-28T10-11-12Z_")


@pytest.mark.parametrize(
    ("data", "form", "status", "told"),
    [
        (b"no picture", {}, 415, "picture 1"),
        (MAP.read_bytes()[:900], {}, 422, "picture 1"),
        (b"x", {"symbol": "../../etc"}, 400, "symbol: a coin in any usual spelling"),
        (b"x", {"keep": "maybe"}, 400, "keep:"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_reason_and_not_kept(
    service: Service, data: bytes, form: dict[str, str], status: int, told: str
) -> None:
    before = files(service.settings)
    answer = send(service, data, form=form)
    assert answer.status_code == status
    assert told in text_of(answer.text)
    assert files(service.settings) == before


def test_a_form_without_a_picture_says_so(service: Service) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="images"; filename=""\r\n\r\n\r\n--b--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = service.client.post("/read", content=body, headers=kind)
    assert answer.status_code == 400
    assert "choose a picture to read" in answer.text
    many = service.client.post("/read", files=[("images", ("x.png", MAP.read_bytes()))] * 5)
    assert many.status_code == 400


def test_a_field_left_empty_beside_a_picture_is_passed_over(service: Service) -> None:
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="images"; filename="%s"\r\n\r\n%s\r\n' % part
        for part in ((b"", b""), (b"map.png", MAP.read_bytes()))
    ]
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = service.client.post("/read", content=b"".join(parts) + b"--b--\r\n", headers=kind)
    assert answer.status_code == 200
    assert "map.png" in answer.text


def test_reading_keeps_to_the_limits_of_analyze(filled: Settings) -> None:
    with serving(filled, api_writes_per_minute=1) as limited:
        statuses = [send(limited, MAP.read_bytes(), headers=BROWSER).status_code for _ in range(2)]
        other = send(limited, MAP.read_bytes(), headers={**BROWSER, "Origin": "https://evil.example"})
    assert statuses == [200, 429]
    assert other.status_code == 403
    with serving(filled, api_max_body=10_000) as small:
        assert send(small, MAP.read_bytes(), headers=BROWSER).status_code == 413
    with serving(filled, max_content_length=10_000) as small:
        assert send(small, MAP.read_bytes(), headers=BROWSER).status_code == 413


def test_a_bug_and_a_database_that_is_away_are_pages_without_a_trace(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = load_settings(data=tmp_path, database_url="postgresql://nobody:secret@127.0.0.1:9/none")
    with serving(nobody) as lonely:
        away = page(lonely, "/", 503, headers=BROWSER)
    assert "the database does not answer" in away
    assert "secret" not in away

    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(views, "overview", broken)
    with serving(filled) as buggy:
        failed = page(buggy, "/", 500, headers=BROWSER)
    assert "its log says more under request" in failed
    assert "secret" not in failed


def basic(key: str) -> dict[str, str]:
    return {**BROWSER, "Authorization": f"Basic {base64.b64encode(f'anyone:{key}'.encode()).decode()}"}


def test_a_browser_is_asked_for_the_key_where_one_is_needed(filled: Settings) -> None:
    with serving(filled, api_keys=with_key()) as for_writes:
        assert for_writes.client.get("/", headers=BROWSER).status_code == 200
        asked = for_writes.client.get("/read", headers=BROWSER)
        assert asked.status_code == 401
        assert asked.headers["WWW-Authenticate"].startswith("Basic ")
        assert for_writes.client.get("/read", headers=basic(KEY)).status_code == 200
        assert for_writes.client.get("/read", headers=basic("wrong")).status_code == 401
        assert for_writes.client.get("/read", headers={**BROWSER, "Authorization": "Basic %%%"}).status_code == 401
        assert send(for_writes, MAP.read_bytes(), headers=BROWSER).status_code == 401
        assert send(for_writes, MAP.read_bytes(), headers=basic(KEY)).status_code == 200
    with serving(filled, api_keys=with_key(), api_key_for_reads=True) as locked:
        for path in ("/", "/symbols/ETH", "/read", f"/pictures/{'cd' * 32}"):
            assert locked.client.get(path, headers=BROWSER).status_code == 401
            assert locked.client.get(path, headers=basic(KEY)).status_code == 200
        for path in ("/docs", "/static/page.css"):
            assert locked.client.get(path, headers=BROWSER).status_code == 200
        # Programs are told of the header that is theirs.
        assert locked.client.get("/api/v1/symbols").headers["WWW-Authenticate"] == "Bearer"


def test_the_reference_tells_every_operation_and_links_lead_somewhere(service: Service) -> None:
    html = page(service, "/docs")
    document = service.client.get("/openapi.json").json()
    for path in document["paths"]:
        assert f"<code>{path}</code>" in html
    ids, links = set(re.findall(r' id="([^"]+)"', html)), set(re.findall(r'href="#([^"]+)"', html))
    assert links <= ids
    assert "hour or day before which to stop, UTC" in html
    # Every field that an answer may have is told; FastAPI's own errors aren't, since ours have another form.
    told = set(re.findall(r'<th scope="row"><code>([^<]+)</code>', html))
    left_out = {"HTTPValidationError", "ValidationError"}
    shapes = document["components"]["schemas"].items()
    assert {field for name, shape in shapes if name not in left_out for field in shape["properties"]} <= told


def test_the_pages_are_no_part_of_the_rest_interface(service: Service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    assert all(path.startswith(("/api/v1/", "/metrics")) for path in paths)


def test_files_may_be_kept_for_good_since_their_address_changes_with_them(service: Service) -> None:
    html = page(service, "/")
    for address in re.findall(r'"(/static/[^"]+)"', html):
        answer = service.client.get(address)
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["Cache-Control"]
        assert re.search(r"\?v=[0-9a-f]{12}$", address)


@pytest.mark.parametrize(
    ("value", "told"),
    [(107544.475, "107,544"), (3542.48, "3,542.5"), (255.16, "255.16"), (1.0, "1.0000"), (0.0123456, "0.012346"),
     (1.2e-9, "0.000000001200"), (0.0, "0"), (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_prices_have_as_many_digits_as_tell_something(value: float | None, told: str) -> None:
    assert for_people.price(value) == told


def test_amounts_changes_and_ages_are_written_as_people_write_them() -> None:
    assert [for_people.usd(x) for x in (1_240_000_000.0, 336_000.0, 999_700.0, 12.0, None)] == [
        "$1.24B", "$336K", "$1M", "$12", "–",
    ]  # fmt: skip
    assert [rendering.change(x).replace("\N{NO-BREAK SPACE}", " ") for x in (2.44, -2.46, -0.01, None)] == [
        "+2.4 %", "−2.5 %", "+0.0 %", "–",
    ]  # fmt: skip
    assert [rendering.ago(x) for x in (0.2, 5.0, 48.0, timedelta(minutes=30))] == ["12 min", "5 h", "2 days", "30 min"]
    assert [for_people.number(x) for x in (3_785_896_518.0, 2.918767371e11, 8.91e6, 1.0683, 123_456.7, 0.01)] == [
        "3.786B", "291.9B", "8.91M", "1.068", "123,457", "0.01",
    ]  # fmt: skip
    assert [for_people.number(x, 3) for x in (999_999.7, -5.4e9, 0.0, 0.000123456)] == ["1M", "-5.4B", "0", "0.000123"]
    assert rendering.when(datetime(2025, 1, 2, 3, 4, tzinfo=UTC)) == "2025-01-02 03:04"

"""What someone who means harm may try, and what comes of it."""

import asyncio
import io
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn
from click.testing import CliRunner
from PIL import Image

from cryptopattern_pipelines.api.app import ServeError, build_app, serve
from cryptopattern_pipelines.api.limits import RateLimit
from cryptopattern_pipelines.api.security import hash_of, name_of, new_key
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.resources.settings import Settings, SettingsError, load_settings
from cryptopattern_tests.api.conftest import KEY, Service, serving, upload, with_key

ADDRESS = "/api/v1/analyze/BTC"
BEARER = {"Authorization": f"Bearer {KEY}"}


def picture(width: int = 40, height: int = 30) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (width, height), (9, 9, 9)).save(sink, "PNG")
    return sink.getvalue()


def send(service: Service, data: bytes, name: str = "chart.png", **more: Any) -> Any:
    return service.client.post(ADDRESS, files=[("images", (name, data))], **more)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Settings:
    """Settings of an installation that has nothing yet."""
    return load_settings(data=tmp_path_factory.mktemp("bare"), database_url=fresh_database())


@pytest.fixture(scope="module")
def plain(bare: Settings) -> Iterator[Service]:
    with serving(bare) as made:
        yield made


@pytest.fixture(scope="module")
def locked(bare: Settings) -> Iterator[Service]:
    with serving(bare, api_keys=with_key(), api_key_for_reads=True) as made:
        yield made


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd.png", "/etc/passwd", "..\\..\\x.png", "a\r\nX-Evil: 1.png",
     "x" * 400 + ".png", "\u202egnp.png",
     "2025-01-29_10-00-00/../../x.png", "%2e%2e%2fx.png", ".", ""],
)  # fmt: skip
def test_no_name_that_is_sent_reaches_the_file_system(plain: Service, name: str) -> None:
    data = picture(30 + len(name) % 97, 31 + sum(map(ord, name)) % 89)
    answer = send(plain, data, name or "none.png")
    assert answer.status_code == 200, answer.text
    [reading] = answer.json()["data"]["readings"]
    kept = [file for file in plain.settings.data.rglob("*") if file.is_file() and file.read_bytes() == data]
    landed = [file for file in kept if file.is_relative_to(plain.settings.landing_folder)]
    assert [file.parent for file in landed] == [plain.settings.landing_folder / "BTC"]
    assert landed[0].name.endswith(f"_{reading['sha256'][:16]}.png")
    assert not list(plain.settings.data.parent.glob("*.png"))


@pytest.mark.parametrize(
    "symbol", ["..%2f..%2fetc", "%2e%2e", "..", "BTC%00", "BTC%0d%0aX-Evil:1", "a" * 3000, "BTC'--", "BTC;DROP TABLE x"]
)
def test_no_symbol_leaves_its_place(plain: Service, symbol: str) -> None:
    before = set(plain.settings.data.rglob("*.png"))
    for answer in (
        plain.client.post(f"/api/v1/analyze/{symbol}", files=[("images", ("x.png", picture()))]),
        plain.client.get(f"/api/v1/analyses/{symbol}"),
    ):
        assert answer.status_code in (400, 404, 405), answer.text
        assert "x-evil" not in answer.headers
        assert list(answer.json()) == ["success", "error", "message"]
    assert set(plain.settings.data.rglob("*.png")) == before


SQL = [
    "' OR '1'='1",
    "1; DROP TABLE serving.win_rates; --",
    "') UNION SELECT version() --",
    "%27%20OR%201=1",
    "\\'; --",
]


@pytest.mark.parametrize("sql", SQL)
@pytest.mark.parametrize(
    "address",
    ["analyses/{}", "win-rates/BTC?side={}", "win-rates/BTC?timeframe={}", "analyses/BTC?severity={}",
     "events/BTC?type={}", "analyses/BTC?from={}", "analyses/BTC?limit={}", "analyses/BTC?cursor={}",
     "squeeze-alerts?min_probability={}", "squeeze-alerts?hours_back={}", "squeeze-alerts?severity={}",
     "analyses/BTC?x{}=1", "readings/{}"],
)  # fmt: skip
def test_sql_in_any_parameter_is_refused_as_what_it_is(plain: Service, address: str, sql: str) -> None:
    answer = plain.client.get(f"/api/v1/{address.format(sql)}")
    assert answer.status_code in (400, 404), answer.text
    assert "syntax" not in answer.text
    assert "psycopg" not in answer.text


def test_sql_in_a_cursor_that_is_well_formed_stays_a_value(service: Service) -> None:
    import base64

    said = ["win_rates", "2025-01-29T00:00:00+00:00", "BTC' OR 1=1 --", "all", "24h", "long"]
    cursor = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    rows = service.get(f"win-rates/BTC?from=2025-01-01&cursor={cursor}")["win_rates"]
    assert {row["symbol"] for row in rows} <= {"BTC"}


def test_the_connections_can_only_read(service: Service) -> None:
    import sqlalchemy as sa

    from cryptopattern_pipelines.api.queries import Database

    database = Database(service.settings)
    with pytest.raises(sa.exc.InternalError, match="read-only"):
        database.ask(sa.text("DELETE FROM serving.win_rates"), {})
    database.close()


def test_a_body_that_is_too_large_is_cut_off_whatever_it_says_of_itself(bare: Settings) -> None:
    with serving(bare, api_max_body=50_000) as small:
        declared = send(small, b"x" * 60_000)
        sent = 0

        def chunks() -> Iterator[bytes]:
            nonlocal sent
            yield b'--b\r\nContent-Disposition: form-data; name="images"; filename="x.png"\r\n\r\n'
            for _ in range(100):
                sent += 1
                yield b"x" * 10_000

        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        chunked = small.client.post(ADDRESS, content=chunks(), headers=kind)
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["error"]) == (413, "file_too_large")
        assert answer.headers["Connection"] == "close"


def test_a_picture_that_is_too_large_is_refused_though_the_request_is_not(bare: Settings) -> None:
    with serving(bare, max_content_length=1000) as small:
        answer = send(small, b"\x89PNG" + b"x" * 2000)
    assert (answer.status_code, answer.json()["error"]) == (413, "file_too_large")


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that decodes to width x height pixels of grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    pixels = zlib.compress(bytes(100_000), 9) * 3
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (bomb(60_000, 60_000), 422),
        (bomb(7_000, 7_000), 422),
        (picture()[:60], 422),
        (b"", 422),
        (b"GIF89a but no picture", 415),
        (b"%PDF-1.7 no picture", 415),
        (b"<svg onload='alert(1)'/>", 415),
        (b"PK\x03\x04" + bytes(500), 415),
    ],
)
def test_what_is_no_picture_or_a_bomb_is_refused_and_not_kept(plain: Service, data: bytes, status: int) -> None:
    before = set(plain.settings.landing_folder.rglob("*"))
    answer = send(plain, data)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["success", "error", "message"]
    assert set(plain.settings.landing_folder.rglob("*")) == before


def test_a_request_that_is_no_form_is_refused(plain: Service) -> None:
    assert plain.client.post(ADDRESS, json={"images": []}).status_code == 415
    assert plain.client.post(ADDRESS, content=b"x", headers={"Content-Type": "image/png"}).status_code == 415
    empty = plain.client.post(ADDRESS, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert empty.status_code == 400
    many = [("images", ("x.png", picture()))] * 11
    assert plain.client.post(ADDRESS, files=many).status_code == 400


def test_keys_are_needed_for_writing_and_by_a_setting_for_reading(bare: Settings, locked: Service) -> None:
    assert locked.client.get("/api/v1/symbols").status_code == 401
    assert locked.client.get("/metrics").status_code == 401
    assert locked.client.get("/api/v1/health").status_code in (200, 503)
    assert locked.client.get("/api/v1/symbols", headers=BEARER).status_code == 200
    assert locked.client.get("/api/v1/symbols", headers={"X-API-Key": KEY}).status_code == 200
    refused = send(locked, picture())
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert send(locked, picture(), headers=BEARER).status_code == 200
    with serving(bare, api_keys=with_key()) as for_writes_alone:
        assert for_writes_alone.client.get("/api/v1/symbols").status_code == 200
        assert send(for_writes_alone, picture()).status_code == 401
        assert for_writes_alone.client.get("/api/v1/symbols", headers={"X-API-Key": "wrong"}).status_code == 401


def test_guessing_keys_is_limited_by_address_and_then_the_right_one_waits_too(bare: Settings) -> None:
    with serving(bare, api_keys=with_key()) as guessed:
        statuses = [
            guessed.client.get("/api/v1/symbols", headers={"X-API-Key": f"guess {number}"}).status_code
            for number in range(15)
        ]
        assert statuses[:10] == [401] * 10
        assert set(statuses[10:]) == {429}
        answer = guessed.client.get("/api/v1/symbols", headers=BEARER)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) >= 1


def test_requests_are_limited_for_each_caller(bare: Settings) -> None:
    limits = {"api_reads_per_minute": 3, "api_writes_per_minute": 1}
    with serving(bare, api_keys=with_key(), **limits) as limited:
        assert [limited.client.get("/api/v1/symbols").status_code for _ in range(4)] == [200, 200, 200, 429]
        # A key is a caller of its own.
        assert limited.client.get("/api/v1/symbols", headers=BEARER).status_code == 200
        assert [send(limited, picture(), headers=BEARER).status_code for _ in range(2)] == [200, 429]


def test_a_limit_fills_again_evenly_and_remembers_a_bounded_number_of_callers() -> None:
    now = 0.0
    limit = RateLimit(60, clock=lambda: now)
    assert [limit.take("a") for _ in range(60)] == [0.0] * 60
    assert limit.take("a") == pytest.approx(1.0)
    now = 2.0
    assert [limit.take("a"), limit.take("a")] == [0.0, 0.0]
    assert limit.take("a") > 0
    for number in range(20_000):
        limit.take(str(number))
    assert len(limit._buckets) == 10_000


def test_without_keys_no_other_name_and_no_other_site_s_page_is_answered(plain: Service) -> None:
    assert plain.client.get("/api/v1/symbols", headers={"Host": "evil.example"}).status_code == 403
    assert plain.client.get("/api/v1/symbols", headers={"Host": "[::1]:5000"}).status_code == 200
    assert send(plain, picture(), headers={"Origin": "https://evil.example"}).status_code == 403
    assert send(plain, picture(), headers={"Origin": "null"}).status_code == 403
    assert send(plain, picture(), headers={"Origin": "http://127.0.0.1:5000"}).status_code == 200


def test_cors_is_off_unless_set(bare: Settings, plain: Service) -> None:
    asked = {"Origin": "https://desk.example", "Access-Control-Request-Method": "GET"}
    assert "access-control-allow-origin" not in plain.client.get("/api/v1/symbols", headers=asked).headers
    with serving(bare, api_cors=("https://desk.example",)) as shared:
        allowed = shared.client.get("/api/v1/symbols", headers=asked).headers
        assert allowed["access-control-allow-origin"] == "https://desk.example"
        other = shared.client.get("/api/v1/symbols", headers={"Origin": "https://evil.example"}).headers
        assert "access-control-allow-origin" not in other
        assert send(shared, picture(), headers={"Origin": "https://desk.example"}).status_code == 200


def test_every_answer_bears_the_headers_that_browsers_heed(plain: Service) -> None:
    for path in ("/api/v1/symbols", "/nowhere", "/api/v1/analyses/BTC?limit=0", "/docs"):
        headers = plain.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Cache-Control" in headers
        assert "server" not in headers


def test_writes_are_written_down_a_line_each_and_keys_are_not(locked: Service) -> None:
    log = locked.settings.data / "audit.jsonl"
    before = len(log.read_text().splitlines()) if log.exists() else 0
    send(locked, picture(77, 33), 'a"\n{"forged": 1}.png', headers=BEARER)
    send(locked, picture(), headers={"Authorization": "Bearer not a key"})
    allowed, refused = map(json.loads, log.read_text().splitlines()[before:])
    assert (allowed["status"], allowed["caller"], allowed["symbol"]) == (200, "key tester", "BTC")
    assert len(allowed["sha256"]) == 1
    assert (refused["status"], refused["caller"]) == (401, "testclient")
    assert KEY not in log.read_text()
    assert "not a key" not in log.read_text()


def test_a_write_stands_in_the_log_before_its_answer_leaves(bare: Settings) -> None:
    log, lines = bare.data / "audit.jsonl", []

    async def send(_message: Any) -> None:
        lines.append(json.loads(log.read_text().splitlines()[-1])["path"])

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/analyze/FIRST",
        "raw_path": b"/api/v1/analyze/FIRST",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5000),
        "scheme": "http",
        "http_version": "1.1",
    }
    with serving(bare) as service:
        anyio.run(service.client.app, scope, receive, send)
    assert lines
    assert set(lines) == {"/api/v1/analyze/FIRST"}


def test_refused_requests_do_not_fill_the_disk(bare: Settings) -> None:
    log = bare.data / "audit.jsonl"
    before = len(log.read_text().splitlines()) if log.exists() else 0
    with serving(bare, api_keys=with_key()) as service:
        for _ in range(200):
            assert service.client.post("/api/v1/analyze/BTC").status_code == 401
        refused = len(log.read_text().splitlines()) - before
        assert 60 <= refused < 100
        send(service, picture(), headers=BEARER)
        assert json.loads(log.read_text().splitlines()[-1])["caller"] == "key tester"


def test_a_bug_is_told_without_its_trace(bare: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptopattern_pipelines.api.queries import Database

    def broken(_self: Database) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(Database, "symbols", broken)
    with serving(bare) as buggy:
        answer = buggy.client.get("/api/v1/symbols")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.json()["message"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_without_its_database_the_service_answers_503(tmp_path: Path) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"postgresql://nobody:secret@127.0.0.1:{probe.getsockname()[1]}/none"
    with serving(load_settings(data=tmp_path, database_url=nobody)) as lonely:
        answer = lonely.client.get("/api/v1/symbols")
        health = lonely.client.get("/api/v1/health")
        metrics = lonely.client.get("/metrics")
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert "secret" not in answer.text + health.text
    assert "cryptopattern_database_up 0.0" in metrics.text


def test_a_body_that_comes_too_slowly_is_cut_off(bare: Settings) -> None:
    app = build_app(bare.model_copy(update={"api_body_seconds": 0.5}))
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as slow:
                slow.sendall(
                    b"POST /api/v1/analyze/BTC HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n"
                    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
                )
                started, answer = time.monotonic(), b""
                while part := slow.recv(4096):  # the service closes the connection
                    answer += part
                assert time.monotonic() - started < 45
                assert answer.startswith(b"HTTP/1.1 408")
        finally:
            server.should_exit = True
            thread.join()
            app.state.services.close()


def test_it_listens_to_other_machines_only_with_a_key(bare: Settings) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "127.0.0.1.evil.example"):
        with pytest.raises(ServeError, match="api-key"):
            serve(bare, host, 5000)


def test_a_new_key_is_known_by_what_the_command_prints() -> None:
    done = CliRunner().invoke(main, ["api-key", "desk"])
    key, line = (text.split(": ", 1)[1] for text in done.stdout.splitlines())
    setting = line.split("=", 1)[1].split(" ")[0]
    assert name_of(key, load_settings(api_keys=setting).api_keys) == "desk"
    assert name_of(f"{key}x", load_settings(api_keys=setting).api_keys) is None
    assert hash_of(new_key()[0]) != hash_of(new_key()[0])


def test_a_key_where_its_hash_belongs_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(CRYPTOPATTERN_API_KEYS="my-secret-key")
    assert "CRYPTOPATTERN_API_KEYS" in refused.value.message
    assert "my-secret-key" not in refused.value.message


def test_pictures_of_a_form_are_sent_as_the_guide_does(plain: Service, tmp_path: Path) -> None:
    file = tmp_path / "eth.png"
    file.write_bytes(picture(64, 65))
    answer = plain.client.post("/api/v1/analyze/ETH", files=upload(file), data={"timeframes": "24h,7d,1m"})
    assert answer.status_code == 200

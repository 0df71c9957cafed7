"""The services of compose.yaml, started as it says: a picture of the whole, from the browser's address to the rows."""

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_tests.deploy.compose import COMPOSE, Loopback

SAMPLES = PROJECT / "data" / "samples"
HOUR = "2025-01-28-12:00"
LAUNCH = """mutation ($run: ExecutionParams!) { launchRun(executionParams: $run) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


class Deployment:
    """The services, and what a person outside sees of them through nginx."""

    def __init__(self, services: Loopback, key: str, password: str) -> None:
        self.services, self.key = services, key
        self.dagster = {"Authorization": "Basic " + base64.b64encode(f"desk:{password}".encode()).decode()}
        self._tls = ssl.create_default_context(cafile=str(services.secrets / "tls_certificate"))

    def ask(self, path: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> tuple[int, str]:
        """Status and body of an answer over TLS, the certificate checked."""
        address = f"https://localhost:{self.services.ports[8443]}{path}"
        request = urllib.request.Request(address, data, headers or {})
        try:
            answer: HTTPResponse = urllib.request.urlopen(request, context=self._tls, timeout=60)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        return answer.status, answer.read().decode()

    def graphql(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {**self.dagster, "Content-Type": "application/json"}
        status, told = self.ask("/dagster/graphql", headers, body)
        assert status == 200, told
        return json.loads(told)["data"]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Iterator[Deployment]:
    beside_python = Path(sys.executable).parent
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:{beside_python}")
    if nginx is None:
        pytest.skip("needs nginx")
    folder = tmp_path_factory.mktemp("deployment")
    shutil.copy(COMPOSE / "secrets.sh", folder)
    told = subprocess.run([folder / "secrets.sh"], capture_output=True, text=True, check=True).stdout
    given = {
        "CRYPTOPATTERN_DATA": str(folder / "data"),
        "CRYPTOPATTERN_LANDING": str(SAMPLES / "landing"),
        "CRYPTOPATTERN_DATABASE_URL": fresh_database(),
        "CRYPTOPATTERN_MARKET_SOURCE": "archive",
        "CRYPTOPATTERN_ARCHIVE": str(SAMPLES),
        "CRYPTOPATTERN_AUTOMATION": "false",
        "CRYPTOPATTERN_API_PROXIES": "127.0.0.1",
    }
    services = Loopback(folder, folder / "secrets", given)
    try:
        services.start("code")
        services.start("webserver", "daemon", "api")
        services.start_nginx(nginx)
        key, password = told.split("shown once: ")[1].split()[0], told.split("password ")[1].split()[0]
        yield Deployment(services, key, password)
    finally:
        services.stop()


def test_a_run_asked_for_in_the_ui_ends_in_rows_of_the_rest_service(deployment: Deployment) -> None:
    selector = {
        "repositoryLocationName": "cryptopattern",
        "repositoryName": "__repository__",
        "jobName": "hourly",
    }
    tags = [{"key": f"dagster/asset_partition_range_{end}", "value": HOUR} for end in ("start", "end")]
    run = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
    launched = deployment.graphql(LAUNCH, run=run)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    deadline = time.monotonic() + 120
    while (status := deployment.graphql(STATUS, id=launched["run"]["runId"])["runOrError"]["status"]) != "SUCCESS":
        assert status != "FAILURE"
        assert time.monotonic() < deadline, status
        time.sleep(0.5)
    found, told = deployment.ask("/api/v1/snapshots/BTC")
    assert found == 200
    assert json.loads(told)["data"]["snapshots"][0]["hour"].startswith("2025-01-28T12:00")


def test_only_those_with_a_name_reach_dagster_and_only_those_with_a_key_write(deployment: Deployment) -> None:
    assert deployment.ask("/dagster")[0] == 401
    assert deployment.ask("/dagster/server_info", deployment.dagster)[0] == 200
    assert deployment.ask("/metrics")[0] == 404
    assert deployment.ask("/api/v1/symbols")[0] == 200
    assert deployment.ask("/api/v1/analyze/BTC", data=b"x")[0] == 401
    with_key = {"Authorization": f"Bearer {deployment.key}"}
    assert deployment.ask("/api/v1/analyze/BTC", with_key, b"x")[0] == 415


def test_the_service_writes_down_the_callers_own_address_whatever_the_caller_says(deployment: Deployment) -> None:
    deployment.ask("/api/v1/analyze/ETH", {"X-Forwarded-For": "203.0.113.9"}, b"x")
    lines = (Path(deployment.services.given["CRYPTOPATTERN_DATA"]) / "audit.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["path"] == "/api/v1/analyze/ETH"
    assert json.loads(lines[-1])["address"] == "127.0.0.1"


def test_plain_http_is_sent_to_tls(deployment: Deployment) -> None:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as moved:
        urllib.request.build_opener(Stay).open(f"http://localhost:{deployment.services.ports[8080]}/symbols/BTC?x=1")
    assert (moved.value.code, moved.value.headers["Location"]) == (301, "https://localhost/symbols/BTC?x=1")

"""The files of `deploy/`: kept by their linters and schemas, and what they name is there."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from cryptopattern_pipelines.resources.settings import PROJECT, Settings
from cryptopattern_tests.deploy.compose import COMPOSE, DEPLOY, compose

TOOLS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "--failure-threshold", "info", str(DEPLOY / "Dockerfile")],
        [
            "check-jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            str(COMPOSE / "compose.yaml"),
            str(COMPOSE / "cluster.yaml"),
        ],
        ["shellcheck", *map(str, sorted(DEPLOY.rglob("*.sh")))],
    ],
    ids=lambda command: command[0],
)
def test_linters_have_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run([TOOLS / command[0], *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_and_secret_has_a_name_that_is_read() -> None:
    known = {choice for field in Settings.model_fields.values() for choice in field.validation_alias.choices}  # type: ignore[union-attr]
    services = compose()["services"]
    named = {name for service in services.values() for name in service.get("environment", {})}
    secrets = [secret for service in services.values() for secret in service.get("secrets", ())]
    named |= {secret["target"] for secret in secrets if isinstance(secret, dict)}
    ours = {name for name in named if name.startswith("CRYPTOPATTERN_")}
    assert ours
    assert ours <= known
    assert {secret if isinstance(secret, str) else secret["source"] for secret in secrets} == set(compose()["secrets"])


def test_nothing_runs_as_root_and_nothing_is_reached_but_nginx() -> None:
    services = compose()["services"]
    assert re.findall(r"^USER (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.M) == ["10001:10001"]
    assert [name for name, service in services.items() if "ports" in service and not service.get("profiles")] == [
        "nginx"
    ]


def test_the_image_gets_every_file_that_it_needs() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    kept = [PROJECT / line[1:] for line in ignored if line.startswith("!")]
    assert ignored[0] == "*"
    assert [path for path in kept if not path.exists()] == []
    workspace = "deploy/compose/workspace.yaml"
    assert PROJECT / workspace in kept
    assert all(workspace in compose()["services"][name]["command"] for name in ("webserver", "daemon"))
    assert yaml.safe_load((PROJECT / workspace).read_text())["load_from"][0]["grpc_server"]["host"] == "code"


def test_secrets_are_made_once_and_can_be_read_by_the_services_alone(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((COMPOSE / "secrets.sh").read_bytes())
    first = subprocess.run(["sh", script], capture_output=True, text=True, check=True).stdout
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(compose()["secrets"])
    assert all(made.values())
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert first.count("shown once") == 3
    assert subprocess.run(["sh", script], capture_output=True, text=True, check=True).stdout == ""
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made


def test_prometheus_asks_the_service_and_grafana_asks_prometheus() -> None:
    services = compose()["services"]
    assert {name for name, service in services.items() if service.get("profiles")} == {"prometheus", "grafana"}
    [scraped] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    [target] = scraped["static_configs"][0]["targets"]
    name, port = target.split(":")
    assert port == services[name]["command"][services[name]["command"].index("--port") + 1]
    folder = DEPLOY / "grafana" / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert urlsplit(source["url"]).hostname in services
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    asked = {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"}
    asked |= {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())}
    assert asked == {source["uid"]}
    [provider] = yaml.safe_load((folder / "dashboards" / "cryptopattern.yml").read_text())["providers"]
    mounted = {Path(line.split(":")[1]).parent for line in services["grafana"]["volumes"]}
    assert Path(provider["options"]["path"]) in mounted


def test_what_is_mounted_from_the_project_is_there() -> None:
    volumes = [line for service in compose()["services"].values() for line in service.get("volumes", ())]
    sources = [line.split(":")[0] for line in volumes if line.startswith(("./", "../"))]
    assert len(sources) >= 5
    assert [source for source in sources if not (COMPOSE / source).exists()] == []


def test_every_service_of_ours_logs_as_json() -> None:
    services = compose()["services"]
    ours = {name: service for name, service in services.items() if "build" in service}
    assert {service["environment"]["CRYPTOPATTERN_LOG_FORMAT"] for service in ours.values()} == {"json"}
    # Dagster's own programs don't read our settings.
    for name in ("webserver", "daemon"):
        assert "--log-format" in services[name]["command"]
    [written] = re.findall(r"log_format json escape=json (.*?);\n", (COMPOSE / "nginx.conf").read_text(), re.DOTALL)
    line = "".join(re.findall(r"'(.*?)'", written))
    assert json.loads(re.sub(r"\$\w+", "0", line))["logger"] == "nginx"

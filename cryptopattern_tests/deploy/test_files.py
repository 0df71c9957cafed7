"""The files of `deploy/`: kept by their linters and schemas, and what they name is there."""

import re
import stat
import subprocess
import sys
from pathlib import Path

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
    assert first.count("shown once") == 2
    assert subprocess.run(["sh", script], capture_output=True, text=True, check=True).stdout == ""
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made

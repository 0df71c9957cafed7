"""The files for more machines than one: what they name is there, and is what the other files of `deploy/` say."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cryptopattern_pipelines.automation.jobs import WRITES
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.local import dagster_yaml
from cryptopattern_pipelines.resources.settings import PROJECT, Settings, load_settings
from cryptopattern_tests.deploy.compose import COMPOSE, DEPLOY, compose, image_environment

# What the chart and the tools around it read themselves.
NOT_OURS = {"DAGSTER_EVENT_BATCH_SIZE"}


def cluster() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((COMPOSE / "cluster.yaml").read_text())
    return found


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
    return found


def of_celery() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "celery" / "dagster.yaml").read_text())
    return found


def known_settings() -> set[str]:
    return {str(name) for field in Settings.model_fields.values() for name in field.validation_alias.choices}  # type: ignore[union-attr]


def extras() -> set[str]:
    return set(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def test_where_runs_go_to_workers_all_else_is_as_on_one_machine() -> None:
    alone, spread = yaml.safe_load((PROJECT / "dagster.yaml").read_text()), of_celery()
    assert spread["run_launcher"]["class"] == "SettingsCeleryRunLauncher"
    same = ("storage", "telemetry", "nux", "retention", "run_retries")
    assert {name: spread[name] for name in same} == {name: alone[name] for name in same}
    assert (
        spread["concurrency"]["runs"]["tag_concurrency_limits"]
        == alone["concurrency"]["runs"]["tag_concurrency_limits"]
    )
    assert spread["run_monitoring"]["max_resume_run_attempts"] == 0


def test_a_broker_chooses_the_file_and_the_number_of_workers_stands_in_it() -> None:
    assert dagster_yaml(load_settings()) == (PROJECT / "dagster.yaml").read_text()
    told = yaml.safe_load(dagster_yaml(load_settings(broker_url="redis://somewhere/0", workers=7)))
    assert told["concurrency"]["runs"]["max_concurrent_runs"] == 7
    assert "redis" not in dagster_yaml(load_settings(broker_url="redis://:secret@somewhere/0"))


def test_workers_are_the_image_of_the_other_services_with_their_settings_and_folders() -> None:
    worker, code = cluster()["services"]["worker"], compose()["services"]["code"]
    for name in ("image", "read_only", "cap_drop", "security_opt", "secrets", "env_file", "volumes", "restart"):
        assert worker[name] == code[name], name
    assert worker["environment"].items() >= code["environment"].items()
    command = worker["command"]
    assert command[0] == "cryptopattern"
    assert CliRunner().invoke(main, [command[1], "--help"]).exit_code == 0


def test_every_service_of_ours_knows_the_broker_and_is_built_with_what_it_needs() -> None:
    services = cluster()["services"]
    ours = {
        name for name, service in compose()["services"].items() if str(service["image"]).startswith("cryptopattern:")
    }
    address = "redis://redis:6379/0"
    assert {name for name in services if name not in {"redis", "worker"}} == ours
    assert {services[name]["environment"]["CRYPTOPATTERN_BROKER_URL"] for name in {*ours, "worker"}} == {address}
    assert {services[name]["build"]["args"]["EXTRAS"] for name in ours} == {"sentry,distributed,s3"}
    assert {"distributed", "s3"} <= extras()
    named = {name for service in services.values() for name in service.get("environment", {})}
    assert named <= known_settings()


def test_the_image_takes_the_extras_that_it_is_told() -> None:
    told = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r'^ARG EXTRAS="sentry"$', told, re.M)
    assert '--editable ".[$EXTRAS]"' in told
    assert "!deploy/celery/dagster.yaml" in (PROJECT / ".dockerignore").read_text().splitlines()


def test_the_chart_runs_the_code_location_as_the_image_has_it() -> None:
    [deployment] = values()["dagster-user-deployments"]["deployments"]
    assert deployment["dagsterApiGrpcArgs"] == ["--module-name", "cryptopattern_pipelines.definitions"]
    assert str(deployment["port"]) in compose()["services"]["code"]["command"]
    image = compose()["services"]["code"]["image"]
    assert image == f"cryptopattern:${{CRYPTOPATTERN_VERSION:-{deployment['image']['tag']}}}"
    user = re.findall(r"^USER (\d+):(\d+)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    security = deployment["podSecurityContext"]
    assert user == [(str(security["runAsUser"]), str(security["runAsGroup"]))]
    mounted = {mount["mountPath"] for mount in deployment["volumeMounts"]}
    environment = image_environment()
    assert {environment["CRYPTOPATTERN_DATA"], environment["CRYPTOPATTERN_LANDING"], "/tmp"} == mounted
    assert {mount["name"] for mount in deployment["volumeMounts"]} == {
        volume["name"] for volume in deployment["volumes"]
    }
    assert "kubernetes" in extras()


def test_the_chart_gives_settings_that_are_read_and_one_password_to_all() -> None:
    told = values()
    [deployment] = told["dagster-user-deployments"]["deployments"]
    environment = {entry["name"]: entry for entry in deployment["env"]}
    assert set(environment) - NOT_OURS <= known_settings()
    secret = environment["CRYPTOPATTERN_DATABASE_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": told["global"]["postgresqlSecretName"], "key": "postgresql-password"}
    postgres = told["postgresql"]
    assert environment["CRYPTOPATTERN_DATABASE_URL"]["value"] == (
        f"postgresql://{postgres['postgresqlUsername']}@{postgres['postgresqlHost']}:{postgres['service']['port']}/"
        f"{postgres['postgresqlDatabase']}"
    )
    load_settings(store_url=environment["CRYPTOPATTERN_STORE_URL"]["value"])


@pytest.mark.parametrize("where", ["celery", "kubernetes"])
def test_runs_that_are_no_parts_of_a_backfill_go_one_at_a_time_everywhere(where: str) -> None:
    queue = values()["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    limits = {
        "celery": of_celery()["concurrency"]["runs"]["tag_concurrency_limits"],
        "kubernetes": queue["tagConcurrencyLimits"],
    }
    assert limits[where] == [{"key": key, "limit": 1} for key in WRITES]


def test_the_chart_has_the_number_of_the_package() -> None:
    pinned = re.search(r"^dagster==(\S+)$", (PROJECT / "constraints.txt").read_text(), re.M)
    assert pinned is not None
    assert f"--version {pinned[1]} " in (DEPLOY / "kubernetes" / "values.yaml").read_text()

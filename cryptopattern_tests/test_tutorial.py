"""`docs/tutorial.md`, followed word for word on the bundled sample."""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptopattern_pipelines.resources.settings import PROJECT, Settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres

TUTORIAL = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(console|python)\n(.*?)```", TUTORIAL, re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like a fresh clone to who follows the tutorial, without an environment of its own."""
    for name in ("Makefile", "bootstrap.py"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "samples").symlink_to(PROJECT / "data" / "samples")
    yield tmp_path
    EmbeddedPostgres(Settings(data=tmp_path / "data" / "demo").postgres_folder).stop()


def run(command: str, environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout + done.stderr


def agrees(told: str, expected: str) -> bool:
    """Whether an output is what the tutorial says; … stands for any lines."""
    wanted = "(.|\n)*".join(re.escape(part.strip("\n")) for part in expected.split("…"))
    return re.fullmatch(rf"\s*{wanted}\s*", told) is not None


def test_each_line_gives_what_stands_under_it(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("CRYPTOPATTERN_DATABASE_URL", None)
    monkeypatch.chdir(desk)
    seen: dict[str, object] = {}
    for number, (kind, block) in enumerate(BLOCKS):
        if kind == "python":
            example = doctest.DocTestParser().get_doctest(block, seen, f"block {number}", "tutorial.md", 0)
            told: list[str] = []
            doctest.DocTestRunner().run(example, out=told.append, clear_globs=False)
            seen = example.globs
            assert not told, "".join(told)
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            if command == "make demo":  # the environment that it would make first is the one that this runs in
                run("cryptopattern demo", {**environment, "CRYPTOPATTERN_DATA": str(desk / "data" / "demo")}, desk)
            elif command.startswith("export "):
                name, _, value = command.removeprefix("export ").partition("=")
                environment[name] = value
            elif not command.startswith("source "):
                told_now = run(command, environment, desk)
                assert agrees(told_now, expected), f"{command}:\n{told_now}"

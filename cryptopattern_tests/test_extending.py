"""`docs/extending.md`, followed word for word in a copy of the project; then the tests that it gives are run there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cryptopattern_pipelines.resources.settings import PROJECT

PAGE = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
VERSIONS = Path("cryptopattern_pipelines/storage/migrations/versions")
# What is to be done with which file; the blocks of code that follow say it.
STEP = re.compile(r"^(Make|Change) `([^`]+)`(?:.|\n)*?:\n\n((?:```(?:python|diff)\n(?:.|\n)*?```\n)+)", re.MULTILINE)
BLOCK = re.compile(r"```(?:python|diff)\n((?:.|\n)*?)```")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in ("cryptopattern_pipelines", "cryptopattern_tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(PROJECT / name, folder)
    (folder / "data").mkdir()
    (folder / "data" / "samples").symlink_to(PROJECT / "data" / "samples")
    return folder


def follow(folder: Path) -> list[Path]:
    """Do what the page says; the files that it had made."""
    made = []
    for action, name, code in STEP.findall(PAGE):
        blocks = BLOCK.findall(code)
        if action == "Make":
            [text] = blocks
            number, newest = next_and_newest(folder)
            named = name.replace("NEXT", number)
            text = text.replace("NEXT", number).replace("NEWEST", newest)
            file = folder / named
            assert not file.exists(), f"{named} is there already"
            file.write_text(text, encoding="utf-8")
            made.append(file)
        else:
            for block in blocks:
                change(folder / name, block)
    return made


def next_and_newest(folder: Path) -> tuple[str, str]:
    """The number of a further migration, and the one that it follows: which none of the others does."""
    texts = [path.read_text(encoding="utf-8") for path in (folder / VERSIONS).glob("0*.py")]
    numbers, followed = (
        {found[1] for text in texts if (found := re.search(rf'^{name} = "(\d+)"', text, re.MULTILINE))}
        for name in ("revision", "down_revision")
    )
    [newest] = numbers - followed
    return f"{int(max(numbers)) + 1:04}", newest


def change(file: Path, diff: str) -> None:
    """Replace the lines that a block shows by those that it leaves; they must stand in the file once."""
    lines = diff.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{file.name} has these lines {text.count(before)} times:\n{before}"
    file.write_text(text.replace(before, after), encoding="utf-8")


def test_each_recipe_followed_word_for_word_passes_its_own_tests(copy: Path) -> None:
    made = follow(copy)
    tests = [file for file in made if file.name.startswith("test_")]
    assert len(tests) == 4
    assert PAGE.count("\n## A") == 4

    def run(*command: str) -> None:
        beside_python = Path(sys.executable).parent
        environment = {**os.environ, "PYTHONPATH": str(copy), "CRYPTOPATTERN_DATA": str(copy / "data" / "local")}
        environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            [str(beside_python / command[0]), *command[1:]],
            cwd=copy, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]

    run("ruff", "check", "--no-cache", *map(str, made))
    run("ruff", "format", "--no-cache", "--check", *map(str, made))
    same = "cryptopattern_tests/storage/test_postgres.py::test_migrations_make_what_the_schemas_state"
    run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests), same)

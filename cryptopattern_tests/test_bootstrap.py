"""Setting up: what is made anew, what is left alone, and what the person is told. Nothing here needs the network."""

import ast
import importlib.util
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from cryptopattern_pipelines.resources.settings import PROJECT

Load = Callable[[str | None], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads bootstrap.py as it is under one value of CRYPTOPATTERN_VENV."""

    def with_variable(value: str | None) -> ModuleType:
        if value is None:
            monkeypatch.delenv("CRYPTOPATTERN_VENV", raising=False)
        else:
            monkeypatch.setenv("CRYPTOPATTERN_VENV", value)
        spec = importlib.util.spec_from_file_location("bootstrap", PROJECT / "bootstrap.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return with_variable


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "environment"


@pytest.fixture
def bootstrap(load: Load, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """bootstrap.py on an environment and a project of the test's own; environments get a stand-in for pip, at once."""
    module = load(str(place))
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]")
    (project / "constraints.txt").write_text("")
    monkeypatch.setattr(module, "PROJECT", project)
    monkeypatch.setattr(module, "CONSTRAINTS", project / "constraints.txt")
    create = venv.create

    def quick(folder: Path, *, with_pip: bool, symlinks: bool) -> None:
        create(folder, symlinks=symlinks)
        if with_pip:
            give_pip(folder)

    monkeypatch.setattr(venv, "create", quick)
    return module


@pytest.fixture
def installed(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bool]]:
    """What was asked to be installed, in order; nothing is."""
    calls: list[dict[str, bool]] = []

    def install(**asked: bool) -> bool:
        calls.append(asked)
        return True

    monkeypatch.setattr(bootstrap, "install", install)
    return calls


def give_pip(folder: Path) -> None:
    """Put something in the environment that answers `python -m pip --version` as pip does."""
    package = next((folder / "lib").glob("python*/site-packages")) / "pip"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print('pip 1 from here (python %d.%d)' % sys.version_info[:2])")


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def test_an_empty_variable_is_as_good_as_none(load: Load) -> None:
    assert load("").ENVIRONMENT == load(None).ENVIRONMENT == PROJECT / ".venv"


def test_a_relative_place_is_meant_from_where_the_person_stands(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = load("here").ENVIRONMENT
    assert place == tmp_path.resolve() / "here"


@pytest.mark.parametrize("inside", ["notes.txt", "bin/python"])
def test_a_folder_that_is_no_environment_is_refused_in_one_line_and_left_alone(
    bootstrap: ModuleType,
    place: Path,
    inside: str,
    installed: list[dict[str, bool]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (place / inside).parent.mkdir(parents=True)
    (place / inside).write_text("mine")
    before = files(place)
    assert bootstrap.main(["demo"]) == 1
    assert files(place) == before
    assert (place / inside).read_text() == "mine"
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1
    assert str(place) in said[0]
    assert "CRYPTOPATTERN_VENV" in said[0]
    assert not installed


def test_a_file_in_the_environments_place_is_refused(bootstrap: ModuleType, place: Path) -> None:
    place.write_text("mine")
    assert not bootstrap.set_up(with_tools=False)
    assert place.read_text() == "mine"


@pytest.mark.parametrize("exists", [False, True])
def test_an_environment_is_made_where_nothing_is(
    bootstrap: ModuleType, place: Path, exists: bool, installed: list[dict[str, bool]]
) -> None:
    if exists:
        place.mkdir()
    assert not bootstrap.is_sound()
    assert bootstrap.set_up(with_tools=False)
    assert bootstrap.is_sound()
    assert installed == [{"with_tools": False, "anew": True}]


def without_pip(place: Path) -> None:
    """What Debian without python3-venv leaves."""
    venv.EnvBuilder(symlinks=True).create(place)


def of_another_python(place: Path) -> None:
    without_pip(place)
    give_pip(place)
    main = next(place.glob("lib/python*/site-packages/pip/__main__.py"))
    main.write_text("print('pip 1 from here (python 3.1)')")


def of_a_python_that_is_gone(place: Path) -> None:
    without_pip(place)
    give_pip(place)
    for program in (place / "bin").glob("python*"):
        program.unlink()
        program.symlink_to(place / "gone")


def moved(place: Path) -> None:
    elsewhere = place.with_name("elsewhere")
    without_pip(elsewhere)
    give_pip(elsewhere)
    elsewhere.rename(place)


@pytest.mark.parametrize("broken", [without_pip, of_another_python, of_a_python_that_is_gone, moved])
def test_an_unsound_environment_is_made_anew_and_a_persons_files_in_it_stay(
    bootstrap: ModuleType, place: Path, broken: Callable[[Path], None], installed: list[dict[str, bool]]
) -> None:
    broken(place)
    (place / "notes.txt").write_text("mine")
    left_over = next(place.glob("lib/python*/site-packages")) / "left_over.py"
    left_over.touch()
    assert not bootstrap.is_sound()
    assert bootstrap.set_up(with_tools=False)
    assert bootstrap.is_sound()
    assert not left_over.exists()
    assert (place / "notes.txt").read_text() == "mine"
    assert installed == [{"with_tools": False, "anew": True}]


def test_nothing_is_made_without_pips_installer_and_the_line_to_type_is_told(
    bootstrap: ModuleType, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not bootstrap.set_up(with_tools=False)
    assert f"sudo apt-get install python{bootstrap.python()}-venv" in capsys.readouterr().out
    assert not place.exists()


def test_root_on_debian_is_brought_pips_installer(
    bootstrap: ModuleType, installed: list[dict[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def quietly(*command: str) -> bool:
        ran.append(" ".join(command))
        return True

    monkeypatch.setattr(bootstrap, "quietly", quietly)
    assert bootstrap.set_up(with_tools=False)
    assert ran[-1].endswith(f"apt-get install -qq --yes python{bootstrap.python()}-venv")
    assert len(installed) == 1


def test_what_has_not_changed_is_not_installed_again(bootstrap: ModuleType, installed: list[dict[str, bool]]) -> None:
    for with_tools in (False, False, True, True, False):  # the tools' environment serves plain commands
        assert bootstrap.set_up(with_tools=with_tools)
    assert [asked["with_tools"] for asked in installed] == [False, True]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_what_it_is_made_from_installs_again_and_so_does_taking_it_back(
    bootstrap: ModuleType, installed: list[dict[str, bool]], name: str
) -> None:
    file = bootstrap.PROJECT / name
    first = file.read_text()
    assert bootstrap.set_up(with_tools=True)
    file.write_text(first + "# changed")
    assert bootstrap.set_up(with_tools=False)
    file.write_text(first)  # the stamp of the first installation must not pass for the second's
    assert bootstrap.set_up(with_tools=True)
    assert [asked["with_tools"] for asked in installed] == [True, False, True]


def test_an_installation_cut_short_is_done_again_from_the_start(
    bootstrap: ModuleType, installed: list[dict[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bootstrap.set_up(with_tools=False)
    (bootstrap.PROJECT / "constraints.txt").write_text("# changed")
    install = bootstrap.install

    def cut_short(**_asked: bool) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "install", cut_short)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.set_up(with_tools=False)
    monkeypatch.setattr(bootstrap, "install", install)
    assert bootstrap.set_up(with_tools=False)
    assert installed[-1]["anew"]


def test_the_true_reason_is_told_when_text_can_not_be_read(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrap.make_environment()  # holds no package of the project
    monkeypatch.setattr(bootstrap, "install_packages", lambda _wanted, *, said: said)
    assert not bootstrap.bring_tesseract()
    said = capsys.readouterr().out
    assert "ModuleNotFoundError: No module named 'cryptopattern_pipelines'" in said
    assert "Tesseract is missing" not in said


def test_a_missing_tesseract_is_told_with_the_line_to_type(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "install_packages", lambda _wanted, *, said: said)
    monkeypatch.setattr(bootstrap, "failure", lambda *_command: "x.TextEngineError: no `tesseract` command")
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
    monkeypatch.setattr(bootstrap.platform, "system", lambda: "Linux")
    assert not bootstrap.bring_tesseract()
    assert "sudo apt-get install tesseract-ocr" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("there", "by_apt", "by_playwright", "ran"),
    [
        (["chromium-browser"], False, False, []),
        ([], True, False, ["apt chromium"]),
        ([], False, True, ["apt chromium", "playwright install chromium"]),
        ([], False, False, ["apt chromium", "playwright install chromium"]),
    ],
)
def test_a_chromium_is_brought_for_the_tests_where_there_is_none(  # noqa: PLR0917 (pytest hands them by name)
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: list[str],
    by_apt: bool,
    by_playwright: bool,
    ran: list[str],
) -> None:
    done: list[str] = []

    def apt(package: str) -> bool:
        done.append(f"apt {package}")
        return by_apt

    def quietly(program: str, *arguments: str) -> bool:
        done.append(" ".join([Path(program).name, *arguments]))
        return by_playwright

    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: name if name in there else None)
    monkeypatch.setattr(bootstrap, "bring_by_apt", apt)
    monkeypatch.setattr(bootstrap, "quietly", quietly)
    bootstrap.bring_chromium()
    assert done == ran
    assert ("are skipped" in capsys.readouterr().out) is not (bool(there) or by_apt or by_playwright)


@pytest.mark.parametrize("packaged", [True, False])
def test_an_nginx_is_taken_out_of_its_package_and_not_installed(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: Path,
    packaged: bool,
) -> None:
    def quietly(program: str, *arguments: str) -> bool:
        if program == "sh" and packaged:
            unpacked = Path(arguments[-1]) / "usr" / "sbin"
            unpacked.mkdir(parents=True)
            (unpacked / "nginx").write_text("a server")
        return True

    monkeypatch.setattr(bootstrap, "ENVIRONMENT", place)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None if name == "nginx" else name)
    monkeypatch.setattr(bootstrap, "quietly", quietly)
    bootstrap.tool("nginx").parent.mkdir(parents=True)
    bootstrap.bring_nginx()
    assert bootstrap.tool("nginx").exists() == packaged
    assert ("is skipped" in capsys.readouterr().out) is not packaged


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["-h"], 0), (["--help"], 0)])
def test_help_makes_nothing(place: Path, arguments: list[str], code: int) -> None:
    command = [sys.executable, str(PROJECT / "bootstrap.py"), *arguments]
    environment = {**os.environ, "CRYPTOPATTERN_VENV": str(place)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == code
    assert "python3 bootstrap.py demo" in done.stdout
    assert not place.exists()


def test_an_old_python_is_told_so(
    bootstrap: ModuleType, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 8, 18, "final", 0))
    assert bootstrap.main(["demo"]) == 2
    assert "too old: 3.11 or later" in capsys.readouterr().out
    assert not place.exists()


def test_the_file_can_be_read_by_an_old_python() -> None:
    tree = ast.parse((PROJECT / "bootstrap.py").read_text(), feature_version=(3, 8))
    imported = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert imported[0] == "__future__"  # else `list[str]` stops a Python before 3.9 at the first function

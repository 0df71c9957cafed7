"""`docs/reference` and `docs/tables.md`, made from the code: `python -m cryptopattern_tests.reference`.

A test holds the pages against it.

What belongs here: how commands and settings are laid out. What does not: what they say, which stands with them.
"""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import click
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.resources.settings import PROJECT, Settings
from cryptopattern_tests.reference_tables import tables

FOLDER = PROJECT / "docs" / "reference"
_WIDTH = 100
_MADE = "Made from the code by `python -m cryptopattern_tests.reference`; what stands here is changed there.\n"


def pages() -> dict[Path, str]:
    """Each page of the reference, by its file."""
    return {
        FOLDER / "command-line.md": command_line(),
        FOLDER / "settings.md": settings(),
        PROJECT / "docs" / "tables.md": tables(_MADE),
    }


def command_line() -> str:
    """Every command as its own `--help` has it."""
    parts = [f"# The command line\n\n{_MADE}"]
    for name, command in _commands("cryptopattern", main):
        shown = {**main.context_settings, "max_content_width": _WIDTH, "terminal_width": _WIDTH}
        context = click.Context(command, info_name=name, **shown)
        parts.append(f"## {name}\n\n```\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


def _commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for each, below in sorted(command.commands.items()):
            yield from _commands(f"{name} {each}", below)


def settings() -> str:
    """Every setting: its variable, default, what it may be, and what it means."""
    rows = [
        f"| `{_variable(field)}` | {_default(field)} | {_kind(field)} | {field.description} |"
        for field in Settings.model_fields.values()
    ]
    head = "| variable | default | may be | what |\n|---|---|---|---|"
    where = " ".join((Settings.__doc__ or "").split("\n\n", 1)[1].split())
    return f"# Settings\n\n{_MADE}\n{where}\n\n{head}\n" + "\n".join(rows) + "\n"


def _variable(field: FieldInfo) -> str:
    assert isinstance(field.validation_alias, AliasChoices)
    return str(field.validation_alias.choices[0])


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None:
        return "`data/local`"  # the one of them: `data_folder`
    if value is None or value == "" or value is PydanticUndefined or isinstance(value, SecretStr):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, ZoneInfo):
        return f"`{value.key}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`" if value else "none"
    return f"`{value}`" if value else "none" if isinstance(value, dict) else f"`{value}`"


_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true`, `false`",
    Path: "path",
    SecretStr: "text, never shown",
    ZoneInfo: "time zone",
}
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _kind(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([_told(field.annotation), *bounds])


def _told(kind: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _told(inner[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return _told(next(each for each in inner if each is not type(None)))
    if origin is tuple:
        return f"several of: {_told(inner[0])}"
    if origin is dict:
        return "several of: NAME:HASH"
    return _WORDS[kind]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
        print(f"written: {file.relative_to(PROJECT)}")

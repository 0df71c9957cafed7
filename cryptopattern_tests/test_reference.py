"""The reference says what the code says, and names every command and setting."""

import re

from cryptopattern_pipelines.resources.settings import PROJECT, Settings
from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_tests.reference import FOLDER, command_line, pages, settings
from cryptopattern_tests.reference_tables import tables


def test_the_pages_are_those_that_the_code_makes() -> None:
    stale = [file.name for file, text in pages().items() if not file.exists() or file.read_text("utf-8") != text]
    assert not stale, "make them anew: python -m cryptopattern_tests.reference"
    assert set(FOLDER.glob("*.md")) <= set(pages()), "a page of a code that is gone"


def test_every_command_that_the_documents_name_is_there() -> None:
    known = set(re.findall(r"^## cryptopattern ?([a-z-]*)$", command_line(), re.MULTILINE))
    texts = [path.read_text("utf-8") for path in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"))]
    named = {
        name
        for text in texts
        for name in re.findall(r"(?:`|^ +(?:\$ )?|^\$ )cryptopattern ([a-z][a-z-]*)", text, re.MULTILINE)
    }
    assert {"read", "serve", "backfill"} <= named
    assert named <= known


def test_every_column_has_a_row_with_its_type_and_meaning() -> None:
    parts = tables("").split("\n## ")[1:]
    assert [part.split("\n")[0] for part in parts] == [*TABLES, "alert_deliveries"]
    for part, table in zip(parts, TABLES.values(), strict=False):
        rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \| (yes)? \| (.{3,}) \| (.*) \|$", part, re.MULTILINE)
        assert [(row[0], bool(row[2])) for row in rows] == [(column.name, column.nullable) for column in table.columns]
    row = (
        "| `probability` | number |  | the guide's heuristic score, 0 to 100; not a calibrated probability | 0 to 100 |"
    )
    assert row in tables("")


def test_every_setting_has_a_row_with_its_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.{10,}) \|$", settings(), re.MULTILINE)
    assert len(rows) == len(Settings.model_fields)
    row = {name: rest for name, *rest in rows}
    assert row["CRYPTOPATTERN_LOG_FORMAT"][:2] == ["`text`", "`text`, `json`"]
    assert row["CRYPTOPATTERN_PORT"][:2] == ["`3000`", "whole number, ≥ 1, ≤ 65535"]
    assert row["CRYPTOPATTERN_SENTRY_DSN"][:2] == ["none", "text, never shown"]

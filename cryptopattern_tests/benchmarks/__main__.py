"""Run benchmarks by name: a line a figure as it comes, then all of them as one table and, last, as one JSON object.

    python -m cryptopattern_tests.benchmarks [NAME...] [--json FILE] [--markdown FILE]

All are run when none is named, which takes long (`soak`, `live`, `year`, `api`, `growth`, `distributed`). One that
fails does not keep others from running; it is named in the table, and the exit code is 1 then.
"""

import argparse
import importlib
import json
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cryptopattern_tests import benchmarks
from cryptopattern_tests.benchmarks.figure import HEADINGS, Figure

NOTHING = "nothing was measured: see above"


def names() -> list[str]:
    """Every benchmark there is: the package's modules, but for tests and what the benchmarks share."""
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in found if name != "figure" and not name.startswith(("_", "test_")))


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks named (`NAME` or `ONLY=NAME`; all when none is); the exit code.

    It is 2 when there is none of a name, 1 when one failed, else 0: a mark that is missed is no failure.
    """
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure against the rivals.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}; all when none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    given = parser.parse_args(arguments)
    only = [name for name in (argument.removeprefix("ONLY=") for argument in given.names) if name]
    unknown = sorted(set(only) - set(names()))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(names())}", file=sys.stderr)
        return 2
    figures, without = _measured(only or names())
    # As wide as it needs to be where it is kept in a file: a name that is cut off says nothing.
    wide = None if sys.stdout.isatty() else 240
    Console(width=wide).print(_table(figures, without))
    told = json.dumps({figure.name: figure.as_json() for figure in figures})
    if given.json:
        given.json.write_text(told + "\n", encoding="utf-8")
    if given.markdown:
        given.markdown.write_text(_markdown(figures, without), encoding="utf-8")
    print(told)
    return 1 if any(reason != NOTHING for reason in without.values()) else 0


def _measured(wanted: Sequence[str]) -> tuple[list[Figure], dict[str, str]]:
    """The figures of benchmarks, each printed as it comes, and why others have none."""
    figures: list[Figure] = []
    without: dict[str, str] = {}
    for name in wanted:
        try:
            found = importlib.import_module(f"{benchmarks.__name__}.{name}").run()
        except Exception as error:  # noqa: BLE001 - whatever fails, the others are measured
            traceback.print_exc()
            without[name] = f"failed: {type(error).__name__}: {error}".splitlines()[0]
            continue
        if not found:
            without[name] = NOTHING
        for figure in found:
            print(figure, flush=True)
        figures += found
    return figures, without


def _table(figures: Sequence[Figure], without: dict[str, str]) -> Table:
    """All figures for people."""
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD, pad_edge=False, title="Benchmarks", title_justify="left")
    for column in (1, 2, 4):
        table.columns[column].justify = "right"
    for figure in figures:
        style = {True: "green", False: "red", None: None}[figure.reached]
        *cells, mark = map(escape, figure.cells())
        table.add_row(*cells, f"[{style}]{mark}[/]" if style else mark)
    for name, reason in without.items():
        table.add_row(name, "", "", "", "", f"[red]{escape(reason)}[/]")
    return table


def _markdown(figures: Sequence[Figure], without: dict[str, str]) -> str:
    rows = [HEADINGS, ("---", "---:", "---:", "---", "---:", "---"), *(figure.cells() for figure in figures)]
    rows += [(name, "", "", "", "", reason) for name, reason in without.items()]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

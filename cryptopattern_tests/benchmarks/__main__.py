"""Run benchmarks by name, print one line a figure and, last, one JSON object of all figures by name."""

import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence

from cryptopattern_tests import benchmarks


def names() -> list[str]:
    """Every benchmark there is: the package's modules, but for tests and what the benchmarks share."""
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in found if name != "figure" and not name.startswith(("_", "test_")))


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks named (`NAME` or `ONLY=NAME`; all when none is), and say when there is none of that name."""
    only = [name for name in (argument.removeprefix("ONLY=") for argument in arguments) if name]
    unknown = sorted(set(only) - set(names()))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(names())}", file=sys.stderr)
        return 2
    figures = []
    for name in only or names():
        for figure in importlib.import_module(f"{benchmarks.__name__}.{name}").run():
            print(figure, flush=True)
            figures.append(figure)
    print(json.dumps({figure.name: figure.as_json() for figure in figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

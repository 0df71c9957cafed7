"""Two hundred simulated hours in which everything fails at random, from a seed, against calm ones of the same inputs.

No rival: the figures say what was survived. `integration/soak.py` says how.
"""

import tempfile
from pathlib import Path

from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.integration.soak import compared

_HOURS, _SEED = 200, 1


def run() -> list[Figure]:
    """Files and tables that differ from the calm run's, and what went wrong meanwhile."""
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        differ, told = compared(Path(folder), _HOURS, _SEED)
    return [
        Figure(
            f"soak: {_HOURS} hours, files and tables that differ from the calm run",
            len(differ),
            None,
            "of them",
            less_is_better=True,
            mark=0,
        ),
        Figure("soak: run workers killed", told.killed, None, "times"),
        Figure("soak: databases killed", told.databases_killed, None, "times"),
        Figure("soak: endpoints that failed for an hour", told.faults, None, "of them"),
        Figure("soak: late screenshots", told.late, None, "files"),
        Figure("soak: runs", told.runs, None, "runs"),
        Figure("soak: time", told.seconds, None, "seconds"),
    ]

"""What faults of venues cost: every fault at every venue, as one table, and its sums."""

from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.replay.matrix import FAULTS, VENUES, matrix, table


def run() -> list[Figure]:
    """The table is printed; the figures are its sums, of which all but the first should be nought."""
    cells = matrix()
    print(table(cells))
    sums = {
        "rows missing until the next run, all told": sum(cell.missing for cell in cells),
        "rows missing and not told": sum(cell.untold for cell in cells),
        "rows wrong": sum(cell.wrong + cell.wrong_after_the_next_run for cell in cells),
        "rows lost after the next run": sum(cell.missing_after_the_next_run for cell in cells),
    }
    # A venue that is away brings no rows; but then each is told, and comes with the next run.
    marks = dict.fromkeys(list(sums)[1:], 0.0)
    where = f"faults: {len(FAULTS)} faults, passing and lasting, at {len(VENUES)} venues"
    return [
        Figure(f"{where}: {name}", float(count), None, "rows", less_is_better=True, mark=marks.get(name))
        for name, count in sums.items()
    ]

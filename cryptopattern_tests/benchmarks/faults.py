"""What faults of venues cost: every fault at every venue and endpoint, as one table, and its sums."""

from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.replay.matrix import FAULTS, PAGE_FAULTS, VENUES, matrix, table


def run() -> list[Figure]:
    """The table is printed; the figures are its sums, of which all but the first should be nought."""
    cells = matrix()
    print(table(cells))
    sums = {
        "rows missing until the next run, all told": sum(cell.missing for cell in cells),
        "rows missing and not told": sum(cell.untold for cell in cells),
        "rows wrong": sum(cell.wrong + cell.wrong_after_the_next_run for cell in cells if cell.can_be_told),
        "rows lost after the next run": sum(cell.missing_after_the_next_run for cell in cells),
        "rows too low by half of a list that tells no length": sum(
            cell.wrong for cell in cells if not cell.can_be_told
        ),
    }
    # A venue that is away brings no rows; but then each is told, and comes with the next run.
    marks = dict.fromkeys(list(sums)[1:-1], 0.0)
    kinds = len(FAULTS) + len(PAGE_FAULTS)
    where = f"faults: {kinds} faults at {len(VENUES)} venues, {len(cells)} cells"
    return [
        Figure(f"{where}: {name}", float(count), None, "rows", less_is_better=True, mark=marks.get(name))
        for name, count in sums.items()
    ]

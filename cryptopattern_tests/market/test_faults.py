"""Every fault at every venue: no row is lost for good, none is wrong, and each that is missing is told."""

import pytest

from cryptopattern_tests.replay import matrix

# These change no row, or none that is asked for.
HARMLESS = {"clock an hour fast", "clock an hour slow", "out of order", "duplicate rows"}


def test_no_fault_loses_a_row_makes_a_wrong_one_or_goes_untold(capsys: pytest.CaptureFixture[str]) -> None:
    cells = matrix.matrix()
    with capsys.disabled():
        print(f"\n{matrix.table(cells)}")
    endpoints = sum(map(len, matrix.VENUES.values()))
    of_venues, of_pages = 2 * len(matrix.VENUES) * len(matrix.FAULTS), endpoints * len(matrix.PAGE_FAULTS)
    assert len(cells) == of_venues + endpoints * len(matrix.FAULTS) + of_pages
    bad = [cell for cell in cells if cell.bad and cell.can_be_told]
    assert not bad, "\n".join(map(str, bad))
    # The faults were there: those that last cost rows, or are told as a new field.
    for cell in cells:
        if cell.mode == "lasting" and cell.fault not in HARMLESS:
            assert cell.problems > 0, cell

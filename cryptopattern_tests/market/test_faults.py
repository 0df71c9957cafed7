"""Every fault at every venue: no row is lost for good, none is wrong, and each that is missing is told."""

import pytest

from cryptopattern_tests.replay import matrix


def test_no_fault_loses_a_row_makes_a_wrong_one_or_goes_untold(capsys: pytest.CaptureFixture[str]) -> None:
    cells = matrix.matrix()
    with capsys.disabled():
        print(f"\n{matrix.table(cells)}")
    assert len(cells) == len(matrix.VENUES) * len(matrix.FAULTS) * 2
    for cell in cells:
        assert cell.untold == 0, cell
        assert cell.wrong == 0, cell
        assert cell.missing_after_the_next_run == 0, cell
        assert cell.wrong_after_the_next_run == 0, cell
    # The faults were there: those that last cost rows, or are told as a new field.
    for cell in cells:
        harmless = {"clock an hour fast", "out of order", "duplicate rows"}
        if cell.lasts and cell.fault not in harmless and not (cell.fault == "clock an hour slow" and cell.missing == 0):
            assert cell.problems > 0, cell

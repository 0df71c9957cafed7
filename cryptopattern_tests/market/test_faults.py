"""Every fault at every venue: no row is lost for good, none is wrong, and each that is missing is told."""

import pytest

from cryptopattern_tests.replay import matrix


def _nothing_is_lost_wrong_or_untold(cells: list[matrix.Cell]) -> None:
    bad = [
        cell
        for cell in cells
        if cell.untold or cell.wrong or cell.missing_after_the_next_run or cell.wrong_after_the_next_run
    ]
    assert not bad, "\n".join(map(str, bad))


def test_no_fault_loses_a_row_makes_a_wrong_one_or_goes_untold(capsys: pytest.CaptureFixture[str]) -> None:
    cells = matrix.matrix()
    with capsys.disabled():
        print(f"\n{matrix.table(cells)}")
    assert len(cells) == len(matrix.VENUES) * len(matrix.FAULTS) * 2
    _nothing_is_lost_wrong_or_untold(cells)
    # The faults were there: those that last cost rows, or are told as a new field.
    for cell in cells:
        harmless = {"clock an hour fast", "out of order", "duplicate rows"}
        if cell.lasts and cell.fault not in harmless and not (cell.fault == "clock an hour slow" and cell.missing == 0):
            assert cell.problems > 0, cell


def test_nor_does_one_of_a_single_endpoint() -> None:
    _nothing_is_lost_wrong_or_untold(matrix.of_endpoints())


def test_a_page_that_comes_empty_twice_or_out_of_its_turn_costs_nothing() -> None:
    # How many orders Gate has in an hour isn't told: half of them can't be told from all of them.
    cells = [cell for cell in matrix.of_pages() if (cell.venue, "half a page" in cell.fault) != ("gate", True)]
    _nothing_is_lost_wrong_or_untold(cells)

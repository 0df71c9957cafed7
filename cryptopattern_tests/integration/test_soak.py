"""The soak in its short form; `make bench ONLY=soak` runs the long one."""

from pathlib import Path

from cryptopattern_tests.integration.soak import Odds, compared


def test_hours_in_which_everything_fails_end_as_calm_ones_do(tmp_path: Path) -> None:
    often = Odds(picture=0.8, venue_fails=0.6, killed=0.4, database_killed=0.15)
    differ, told = compared(tmp_path, hours=5, seed=118, odds=often)
    assert differ == [], told
    assert told.killed, told
    assert told.databases_killed, told
    assert told.faults, told
    assert told.late, told

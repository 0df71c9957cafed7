"""Spoilt pictures cost no crash, and noise gives no numbers."""

from collections import Counter

from cryptopattern_pipelines.reading.workers import Failure

from . import fuzz


def test_a_few_spoilt_pictures() -> None:
    outcomes = [fuzz.outcome_of(3, number) for number in range(40)]
    assert not [outcome for outcome in outcomes if outcome.chart == "none" and outcome.wrong]
    assert not [outcome for outcome in outcomes if any("hangs" in line for line in outcome.wrong)]
    kept = [outcome for outcome in outcomes if outcome.chart == "kept"]
    assert sum(outcome.numbers > 0 for outcome in kept) >= 3
    assert sum(bool(outcome.wrong) for outcome in kept) <= 0.15 * len(kept)  # measured: 2 of 14, blurred past reading


def test_a_case_is_told_by_its_seed_and_number() -> None:
    assert fuzz.case_of(5, 7) == fuzz.case_of(5, 7)
    assert len({fuzz.case_of(5, number).data for number in range(20)}) == 20


def test_what_went_wrong_is_counted() -> None:
    tally: Counter[str] = Counter()
    assert fuzz.counted(Failure("the reader crashed (exit code 3)"), tally) == ["the reader crashed (exit code 3)"]
    assert fuzz.counted(fuzz.Outcome(1, "noise", "none", 0.1, "liquidation_map", 2, ("read",)), tally) == [
        "noise: read"
    ]
    assert (tally["crashes"], tally["readings from noise"]) == (1, 1)

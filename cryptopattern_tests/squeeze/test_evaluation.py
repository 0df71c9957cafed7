"""Scores say what they are said to, and intervals hold 0 where there is nothing."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.evaluating import markdown, write_report
from cryptopattern_pipelines.squeeze.evaluation import forecast_report
from cryptopattern_pipelines.squeeze.forecaster import verdicts
from cryptopattern_pipelines.squeeze.grid import epoch_hour
from cryptopattern_pipelines.squeeze.scores import (
    betterment,
    block_weights,
    calibration_error,
    precisions_at_top,
    reliability,
)
from cryptopattern_pipelines.squeeze.walk_forward import GUIDE, METHODS, Scored, walk_forward
from cryptopattern_tests.squeeze.learning import SMALL, START, history


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_scores_stay_in_range_and_lose_no_row(rows: list[tuple[float, bool]]) -> None:
    chance, came = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    table = reliability(chance, came)
    assert table.count.sum() == len(rows)
    assert 0 <= calibration_error(chance, came) <= 1
    [top], _ = precisions_at_top(chance, came, None, (0.05,), None)
    assert 0 <= top <= 1


def test_chances_that_come_true_are_calibrated_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    chance = rng.uniform(0, 0.5, 20000)
    came = rng.uniform(size=20000) < chance
    assert calibration_error(chance, came) < 0.01
    assert calibration_error(chance * 2, came) > 0.2


def test_a_score_that_says_the_same_of_all_is_worth_the_base_rate() -> None:
    came = np.arange(1000) < 100
    [top], _ = precisions_at_top(np.zeros(1000), came, None, (0.05,), None)
    assert top == pytest.approx(0.1)


def test_equal_chances_vary_as_much_as_what_came_of_the_rows_drawn() -> None:
    # Ten weeks in which all came, and ten in which nothing did; nothing is said of which is which.
    week = np.repeat(np.arange(20), 50)
    came = week < 10
    weights = block_weights(20, 500, 1)
    whole, draws = precisions_at_top(np.full(1000, 0.3), came, week, (0.05, 1.0), weights)
    drawn = weights[:, :10].sum(axis=1) / 20
    assert whole == pytest.approx([0.5, 0.5])
    assert draws == pytest.approx(np.stack([drawn, drawn], axis=1))


def test_a_betterment_is_that_of_the_scores_and_its_error_that_of_stretches() -> None:
    came = np.tile([True, False], 130)
    hour = np.arange(260)
    sure, none = np.where(came, 0.8, 0.2), np.full(260, 0.5)
    assert betterment(none, sure, came, hour) == pytest.approx((0.21, 0.0))
    # In one stretch of thirteen as much worse as it could be.
    spoilt = np.where(hour < 20, 1 - came, sure)
    better, error = betterment(none, spoilt, came, hour)
    assert better == pytest.approx(0.21 - (1 - 0.04) / 13)
    assert error == pytest.approx((1 - 0.04) / 13)
    # As much worse in one row of a stretch that has no other: it says little of the whole.
    few = (hour >= 20) | (hour == 0)
    better, error = betterment(none[few], spoilt[few], came[few], hour[few])
    assert better == pytest.approx(0.21 - (1 - 0.04) / 241)
    assert error == pytest.approx((1 - 0.04) / 241**2 * np.sqrt((240**2 + 12 * 20**2) * 13 / 12))
    assert betterment(none[:1], sure[:1], came[:1], hour[:1]) == (0.0, 0.0)
    assert betterment(none[:0], sure[:0], came[:0], hour[:0]) == (0.0, 0.0)


def test_every_block_is_drawn_once_on_average() -> None:
    weights = block_weights(50, 2000, 1)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.1)


def report(planted: float, seed: int = 1) -> dict[str, object]:
    made = history(150, planted, seed)
    start, end = (START.to_pydatetime().replace(month=month) for month in (3, 5))
    return forecast_report(walk_forward(made, start, end, SMALL, ("long_squeeze",)))["long_squeeze"]


def test_a_planted_effect_has_skill_whose_interval_leaves_out_0() -> None:
    told = report(1.5)
    skill = told["methods"]["stood"]["skill_against_climatology"]  # type: ignore[index]
    assert skill["low"] > 0
    assert skill["low"] <= skill["value"] <= skill["high"]
    assert set(told["methods"]) == set(METHODS)  # type: ignore[call-overload]
    assert [each["holds"] for each in told["claims"]][:3] == [True, True, True]  # type: ignore[attr-defined]


def test_without_an_effect_no_better_than_the_base_rate_is_claimed() -> None:
    for seed in (3, 4):
        told = report(0.0, seed)
        assert not told["claims"][0]["holds"]  # type: ignore[index]


def test_an_hour_is_forecast_by_models_that_stood_when_its_day_began() -> None:
    made = history(150, planted=1.5, seed=2)
    start, training_day, end = (START.to_pydatetime().replace(month=month) for month in (3, 4, 5))
    [scored] = walk_forward(made, start, end, SMALL, ("long_squeeze",))
    days = [start + timedelta(days=number) for number in range(-1, (training_day - start).days + 1)]
    before, after = list(verdicts(lambda: made, days, {}, SMALL, ("long_squeeze",)))[-2:]
    assert after.status == "PROMOTED"
    for day, verdict in ((training_day, before), (training_day + timedelta(days=1), after)):
        rows = scored.hour // 24 == epoch_hour(day) // 24
        figures = made.features.figures[scored.hour[rows] - made.features.grid.first, scored.symbol[rows]]
        assert len(figures) == 48
        assert verdict.standing is not None
        expected = verdict.standing.model.chances(made.features.names, figures)
        np.testing.assert_array_equal(scored.chances["stood"][rows], expected)


@pytest.mark.parametrize("weeks", [1, 3])
def test_a_silent_score_that_was_right_in_whole_weeks_is_reported_too(weeks: int) -> None:
    hour = np.arange(168 * weeks)
    # Something comes in the last of three weeks alone; of one week, never.
    came = (hour >= 336) & (hour % 10 == 0)
    chances = {method: np.full(len(hour), 0.1) for method in METHODS} | {GUIDE: np.zeros(len(hour))}
    scored = Scored("long_squeeze", ("BTC",), hour, np.zeros(len(hour), dtype=int), came, chances)
    told = forecast_report([scored])["long_squeeze"]
    against_guide = told["claims"][2]
    assert not against_guide["holds"]
    assert (against_guide["figure"]["value"] is None) == (weeks == 1)
    report = {"from": "2024-03-01", "to": "2024-03-08", "symbols": ["BTC"], "forecasts": {"long_squeeze": told}}
    page = markdown(report | {"win_rates": {"rates": 0, "reason": "less than a year"}})
    assert ("| better than the guide's score (Brier) | NO | nothing to better |" in page) == (weeks == 1)


def test_a_claim_does_not_hold_by_the_weeks_in_which_the_other_score_was_right() -> None:
    # In twelve of thirteen weeks nothing comes, as the guide says; ours is better in the thirteenth alone.
    hour = np.arange(168 * 13)
    came = (hour >= 168 * 12) & (hour % 2 == 0)
    chances = {method: np.full(len(hour), 0.05) for method in METHODS} | {GUIDE: np.zeros(len(hour))}
    scored = Scored("long_squeeze", ("BTC",), hour, np.zeros(len(hour), dtype=int), came, chances)
    claim = forecast_report([scored])["long_squeeze"]["claims"][2]
    assert claim["figure"]["value"] > 0
    assert claim["figure"]["low"] is None
    assert not claim["holds"]


def test_a_report_is_written_whole(tmp_path) -> None:  # type: ignore[no-untyped-def]
    made = {
        "from": "2024-03-01T00:00:00+00:00",
        "to": "2024-05-01T00:00:00+00:00",
        "symbols": ["BTC", "ETH"],
        "forecasts": {"long_squeeze": report(1.5), "any_move": {"rows": 0}},
        "win_rates": {"rates": 0, "reason": "less than a year"},
    }
    files = {file.name: file.read_bytes() for file in write_report(made, tmp_path)}
    assert set(files) == {"report.md", "report.json", "reliability_long_squeeze.png"}
    assert files["reliability_long_squeeze.png"].startswith(b"\x89PNG")
    assert (
        "NO" not in markdown(made).split("## long_squeeze")[1].split("calibration error at most")[0].split("asked")[1]
    )
    assert "too little history" in markdown(made)
    assert files == {file.name: file.read_bytes() for file in write_report(made, tmp_path)}

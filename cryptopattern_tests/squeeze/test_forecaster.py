"""A model stands because it did better on hours it had not seen, and knows nothing of what came after its day."""

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.forecaster import (
    History,
    Standing,
    Verdict,
    forecaster_rows,
    standing_of,
    verdicts,
)
from cryptopattern_pipelines.squeeze.forecasts import squeeze_forecasts
from cryptopattern_pipelines.squeeze.grid import epoch_hour
from cryptopattern_pipelines.squeeze.intervals import wilson
from cryptopattern_pipelines.squeeze.models import Calibration
from cryptopattern_pipelines.squeeze.targets import KNOWN_AFTER_HOURS
from cryptopattern_pipelines.storage.schemas import SQUEEZE_FORECASTER, SQUEEZE_FORECASTS, TARGETS
from cryptopattern_tests.squeeze.learning import SMALL, START, history

DAY = timedelta(days=1)
TARGET = ("long_squeeze",)


def told(made: History, first: int, last: int, standing: dict[str, Standing] | None = None) -> list[Verdict]:
    days = [START.to_pydatetime() + number * DAY for number in range(first, last)]
    return list(verdicts(lambda: made, days, standing or {}, SMALL, TARGET))


def test_nothing_stands_until_enough_is_known_and_then_the_base_rate_until_something_beats_it() -> None:
    found = told(history(120, planted=0), 0, 120)
    statuses = [each.status for each in found]
    assert statuses[0] == "NO_DATA"
    assert found[0].standing is None
    first = next(each for each in found if each.standing)
    assert first.standing is not None
    assert first.standing.model.kind == "climatology"
    assert statuses[statuses.index("PROMOTED") + 1] == "CARRIED"


def test_a_planted_effect_is_learned_and_promoted() -> None:
    found = told(history(140, planted=1.5), 30, 140)
    assert found[-1].standing is not None
    assert found[-1].standing.model.kind == "blend"
    promoted = [each for each in found if each.status == "PROMOTED" and each.fitted]
    for each in promoted[1:]:
        assert each.standing is not None
        assert float(str(each.standing.row["brier"])) < float(str(each.standing.row["brier_before"]))
    assert {each.day.day for each in found if each.fitted and each is not promoted[0]} == {1}


def betterment_told(verdict: Verdict) -> tuple[float, float]:
    """By how much the challenger was better, and the standard error of that, from the reason."""
    found = re.search(r"better by (-?[\d.]+), standard error ([\d.]+)", verdict.reason)
    assert found
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("kind", ["blend", "climatology"])
def test_of_two_models_the_better_one_stands_but_a_base_rate_is_left_only_for_what_is_surely_better(kind: str) -> None:
    unsure = 0
    for seed in range(3):
        # So weak an effect that few weeks can't tell.
        made = history(122, planted=0.15, seed=seed)
        before = told(made, 90, 91)[0]
        assert before.standing is not None
        stands = replace(before.standing, model=before.fitted[kind])
        [verdict] = [each for each in told(made, 120, 122, {"long_squeeze": stands}) if each.fitted]
        better, error = betterment_told(verdict)
        needed = error if kind == "climatology" else 0.0
        assert verdict.status == ("PROMOTED" if better > needed else "KEPT")
        unsure += 0 < better < error
    assert unsure


def test_no_kind_is_chosen_for_having_done_best_on_few_weeks() -> None:
    made = history(140, planted=0)
    trained = [each for each in told(made, 30, 140) if each.judgement and "blend" in each.fitted]
    # Where there is nothing to learn the base rate does best, and yet it challenges nothing.
    assert any(
        each.judgement and each.judgement.brier["climatology"] < each.judgement.brier["blend"] for each in trained
    )
    assert all(each.reason.startswith("blend has") for each in trained)


def test_no_target_that_was_learned_from_is_known_only_within_the_validation() -> None:
    [verdict] = [each for each in told(history(140, planted=1.5), 100, 101) if each.standing]
    assert verdict.standing is not None
    row = {name: pd.Timestamp(str(verdict.standing.row[name])) for name in ("training_to", "validation_from")}
    known = row["training_to"] + pd.Timedelta(hours=1 + KNOWN_AFTER_HOURS)
    # Every fifth hour is taken, and the newest that may be is.
    assert row["validation_from"] - pd.Timedelta(hours=9) <= known <= row["validation_from"]


def test_without_an_effect_what_stands_is_kept() -> None:
    # Base rates of the same data differ by chance alone: what stands is left only for more than a standard error.
    kinds = [told(history(140, planted=0, seed=seed), 60, 140)[-1] for seed in range(4)]
    assert sum(each.standing is not None and each.standing.model.kind == "blend" for each in kinds) <= 1


def test_a_better_model_that_stands_is_not_replaced() -> None:
    rich, poor = history(140, planted=1.5), history(140, planted=1.5, seed=2)
    stands = told(rich, 100, 101)[0].standing
    assert stands is not None
    # The newer training sees features without any sense, but is judged on hours like those the old one learned from.
    noise = poor.features.figures.copy()
    noise[: 24 * 88] = np.random.default_rng(0).normal(size=noise[: 24 * 88].shape)
    worse = History(replace(poor.features, figures=noise), poor.targets)
    [verdict] = [each for each in told(worse, 120, 122, {"long_squeeze": stands}) if each.fitted]
    assert verdict.status == "KEPT"
    assert verdict.standing is stands


@pytest.mark.parametrize(
    "calibration",
    [
        # As good a map as there is, and a useless one: both were made on days that the newer training judges by.
        Calibration("isotonic", (0.0, 0.3, 0.5, 1.0, 0.0, 0.05, 0.9, 1.0)),
        Calibration("platt", (0.01, 3.0)),
    ],
)
def test_a_challenger_meets_what_stands_as_uncalibrated_as_itself(calibration: Calibration) -> None:
    made = history(140, planted=1.5)
    stands = told(made, 100, 101)[0].standing
    assert stands is not None
    calibrated = replace(stands, model=replace(stands.model, calibration=calibration))
    plain = replace(stands, model=replace(stands.model, calibration=Calibration()))
    there, here = (
        [each for each in told(made, 120, 122, {"long_squeeze": each}) if each.fitted] for each in (plain, calibrated)
    )
    assert [each.reason for each in here] == [each.reason for each in there]
    assert [each.status for each in here] == [each.status for each in there]


def test_a_days_row_depends_on_its_history_and_not_on_the_range() -> None:
    made = history(130, planted=1.0)
    whole = told(made, 20, 130)
    before, after = told(made, 20, 95), None
    stands = before[-1].standing
    assert stands is not None
    row = forecaster_rows(before).iloc[-1].to_dict()
    after = told(made, 95, 130, {"long_squeeze": standing_of(row, stands.model)})
    pd.testing.assert_frame_equal(forecaster_rows(whole), forecaster_rows([*before, *after]))
    SQUEEZE_FORECASTER.pandera.validate(forecaster_rows(whole))


@pytest.mark.parametrize("day", [92, 121])
def test_what_comes_after_a_day_changes_no_verdict_of_it(day: int) -> None:
    made = history(130, planted=1.0)
    end = 24 * (day + 1)
    figures, came = made.features.figures.copy(), made.targets.came.copy()
    figures[end:] *= -3
    # A target is known so many hours after its own; until then it may be anything.
    came[end - KNOWN_AFTER_HOURS + 1 :] ^= True
    changed = History(replace(made.features, figures=figures), replace(made.targets, came=came))
    there, here = (told(each, 60, day + 1) for each in (made, changed))
    pd.testing.assert_frame_equal(forecaster_rows(there), forecaster_rows(here))
    came[: end - KNOWN_AFTER_HOURS] ^= True
    known = History(made.features, replace(made.targets, came=came))
    assert not forecaster_rows(told(known, 60, day + 1)).equals(forecaster_rows(there))


def test_a_symbol_without_rows_to_learn_from_leaves_no_trace() -> None:
    made = history(100, planted=1.0)
    grid, scored = made.features.grid, made.features.scored
    of_nothing = np.zeros((len(scored), 1), dtype=bool)
    features = replace(
        made.features,
        grid=replace(grid, symbols=(*grid.symbols, "WITHALONGNAME")),
        figures=np.concatenate([made.features.figures, made.features.figures[:, :1]], axis=1),
        scored=np.hstack([scored, of_nothing]),
    )
    targets = replace(
        made.targets,
        came=np.concatenate([made.targets.came, made.targets.came[:, :1]], axis=1),
        known=np.concatenate([made.targets.known, made.targets.known[:, :1]], axis=1),
    )
    there, here = (forecaster_rows(told(each, 90, 95)) for each in (made, History(features, targets)))
    pd.testing.assert_frame_equal(there, here)
    assert there["training_sha256"].notna().any()


@pytest.mark.parametrize("learned_from", [("BTC", "ETH"), ()])
def test_a_symbol_more_changes_no_model_when_it_is_named_which_are_learned_from(learned_from: tuple[str, ...]) -> None:
    made = history(100, planted=1.0, symbols=("BTC", "ETH", "SOL"))
    grid = replace(made.features.grid, symbols=("BTC", "ETH"))
    without = History(
        replace(made.features, grid=grid, figures=made.features.figures[:, :2], scored=made.features.scored[:, :2]),
        replace(made.targets, grid=grid, came=made.targets.came[:, :2], known=made.targets.known[:, :2]),
    )
    settings = replace(SMALL, symbols=learned_from)
    days = [START.to_pydatetime() + number * DAY for number in range(90, 95)]
    more = forecaster_rows(verdicts(lambda: made, days, {}, settings, TARGET))
    fewer = forecaster_rows(verdicts(lambda: without, days, {}, settings, TARGET))
    assert more["model_sha256"].notna().any()
    assert more.equals(fewer) == bool(learned_from)


def test_coins_to_learn_from_that_have_no_history_are_told() -> None:
    days = [START.to_pydatetime() + 90 * DAY]
    made = history(100, planted=1.0)
    [verdict] = verdicts(lambda: made, days, {}, replace(SMALL, symbols=("SOL",)), TARGET)
    assert (verdict.status, verdict.reason[:34]) == ("NO_DATA", "0 days of known targets of SOL are")


def forecasts(made: History) -> pd.DataFrame:
    stood = {each.day + DAY: {each.target: each.standing} for each in told(made, 60, 129) if each.standing}
    return squeeze_forecasts(made.features, stood)


def test_forecasts_are_chances_beside_their_base_rate_and_only_where_a_model_stood_before_the_day() -> None:
    rows = forecasts(history(130, planted=1.5))
    SQUEEZE_FORECASTS.pandera.validate(rows)
    assert rows["hour"].min() == START + 61 * DAY
    blend = rows[rows["model_kind"] == "blend"]
    assert len(blend) > 0
    assert blend["drivers"].str.contains("funding [+-]").mean() > 0.9
    assert (blend["interval_low_pct"] <= blend["interval_high_pct"]).all()
    assert set(rows["target"]) <= set(TARGETS)


def test_a_base_rate_alone_bears_the_interval_of_how_often_the_target_came_in_the_validation() -> None:
    made = history(60, planted=0)
    [verdict] = [each for each in told(made, 40, 55) if each.status == "PROMOTED"]
    assert verdict.standing is not None
    stands = verdict.standing
    assert stands.model.kind == "climatology"
    rows = squeeze_forecasts(made.features, {verdict.day + DAY: {"long_squeeze": stands}})
    SQUEEZE_FORECASTS.pandera.validate(rows)
    first, last = (
        int((pd.Timestamp(str(stands.row[name])) - START) / pd.Timedelta(hours=1))
        for name in ("validation_from", "validation_to")
    )
    hours = np.arange(first, last + 1)
    hours = hours[(hours + epoch_hour(START)) % SMALL.step_hours == 0]
    days = len(np.unique(hours // 24))
    low, high = wilson(made.targets.came[hours, :, 0].mean(keepdims=True).ravel() * days, np.array([days]))
    assert rows["interval_sample_size"].tolist() == [days] * len(rows)
    assert rows["interval_low_pct"].to_numpy() == pytest.approx(100 * low[0])
    assert rows["interval_high_pct"].to_numpy() == pytest.approx(100 * high[0])
    assert (rows["probability_pct"] == rows["base_rate_pct"]).all()
    assert len(rows) == 48


def test_forecasts_with_an_effect_have_skill_and_without_one_have_none() -> None:
    for planted, skilled in ((1.5, True), (0.0, False)):
        made = history(130, planted=planted, seed=5)
        rows = forecasts(made)
        at_hour = ((rows["hour"] - START) // pd.Timedelta(hours=1)).to_numpy()
        column = rows["symbol"].map({"BTC": 0, "ETH": 1}).to_numpy()
        came = made.targets.came[at_hour, column, 0]
        brier, base = (((rows[name] / 100 - came) ** 2).to_numpy() for name in ("probability_pct", "base_rate_pct"))
        by_day = pd.Series(base - brier).groupby(at_hour // 24).mean()
        margin = 3 * by_day.std() / np.sqrt(len(by_day))
        assert (by_day.mean() > margin) == skilled, by_day.mean()

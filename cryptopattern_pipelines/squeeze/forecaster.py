"""Which model stands at the end of a day: training on a schedule, and promotion only of what did better unseen.

What belongs here: the rows a training learns from and is judged on, and the choice. What does not: the models
themselves (`models.py`) and what they say of an hour (`forecasts.py`).

On the first day of each month, and on every day while nothing stands, each kind of model is fitted to the years
before, save the newest 91 days. On those the richest kind that there is enough history for is judged beside the model
that stands, which has never learned from them either; both as they were fitted, since what stands was calibrated on
days of which most are among those. It is promoted when it does better there, and in a base rate's place only when
better by more than that betterment's standard error. On all other days the model that stands is carried on, so a
day's row depends on its history and not on the range it is made in. What was judged is what stands: it is not fitted
anew to the newest days, whose worth could not be told.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze import models
from cryptopattern_pipelines.squeeze.features import LOOKBACK, Features
from cryptopattern_pipelines.squeeze.grid import MICROSECONDS_PER_HOUR, Floats, Truths, Whole, epoch_hour
from cryptopattern_pipelines.squeeze.models import Experience, Model
from cryptopattern_pipelines.squeeze.scores import Reliability, betterment, calibration_error, reliability
from cryptopattern_pipelines.squeeze.targets import HORIZON_HOURS, KNOWN_AFTER_HOURS, Targets
from cryptopattern_pipelines.storage.schemas import MODEL_KINDS, SQUEEZE_FORECASTER, TARGETS

DAY = timedelta(days=1)
_HOURS_A_DAY = 24


@dataclass(frozen=True)
class TrainingSettings:
    """How much history a training takes.

    - `history_days`: four years, a cycle of this market.
    - `validation_days`: of these newest days none is learned from; with less than four times as much history, a
      quarter of it.
    - `step_hours`: every fifth hour is learned from. The hours between say the same again (a day's windows overlap by
      23 of 24), and five, unlike six, comes to every hour of the day.
    - `least_days` of known targets, and `least_came` of rows in which the target came and as many in which it did not,
      before a kind is tried at all.
    - `symbols` to learn from, so that others which are followed besides change no forecast of these; none for all.
    """

    history_days: int = 1461
    validation_days: int = 91
    step_hours: int = 5
    least_days: tuple[tuple[str, int], ...] = (
        ("climatology", 28),
        ("volatility", 56),
        ("logistic", 180),
        ("boosting", 180),
        ("blend", 180),
    )
    least_came: tuple[tuple[str, int], ...] = (
        ("climatology", 0),
        ("volatility", 30),
        ("logistic", 200),
        ("boosting", 200),
        ("blend", 200),
    )
    symbols: tuple[str, ...] = ()

    @property
    def lookback(self) -> timedelta:
        """How long before the first training's day its facts must begin."""
        return timedelta(days=self.history_days) + LOOKBACK


DEFAULTS = TrainingSettings()
# The first of these that there is enough history for challenges what stands. The others are fitted and reported, but
# among nearly equal ones 91 days pick by luck: on real history that cost more skill than all else (docs/method.md).
CHALLENGERS = ("blend", "volatility", "climatology")
_BINS = 5
_IMPORTANT = 12


@dataclass(frozen=True)
class Standing:
    """A model that stands, and its columns of SQUEEZE_FORECASTER that stay for as long as it does."""

    model: Model
    row: Mapping[str, object]

    @property
    def version(self) -> str:
        """Its day of training and the beginning of its hash."""
        return str(self.row["model_version"])


@dataclass(frozen=True)
class Judgement:
    """What the models of one training were worth on hours that none of them learned from, before calibration.

    All by kind; `importance` is the challenger's: how far a feature moves the log-odds, greatest first.
    """

    brier: Mapping[str, float]
    calibration_error: Mapping[str, float]
    reliability: Mapping[str, Reliability]
    importance: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Verdict:
    """One day and target: what stands at its end, how that came about, and all models that were fitted that day."""

    day: datetime
    target: str
    status: str
    reason: str
    standing: Standing | None
    fitted: Mapping[str, Model]
    judgement: Judgement | None = None


@dataclass(frozen=True)
class History:
    """Features and targets of the same hours and symbols."""

    features: Features
    targets: Targets


@dataclass(frozen=True)
class _Examples:
    """Rows of a history: their hours since 1970, symbols, features and whether the target came."""

    hour: Whole
    symbol: npt.NDArray[np.object_]
    figures: Floats
    came: Truths


def trains_on(day: datetime) -> bool:
    """Whether models are trained by the end of this day although one stands."""
    return day.day == 1


def verdicts(
    history: Callable[[], History],
    days: Iterable[datetime],
    standing: Mapping[str, Standing],
    settings: TrainingSettings = DEFAULTS,
    targets: Sequence[str] = TARGETS,
) -> Iterator[Verdict]:
    """Tell for each day in turn which model of each target stands at its end.

    Args:
        history: hands out features and targets from `settings.lookback` before the first day on; asked for once, and
            only when there is something to train.
        days: midnights at which the days begin, one after the other.
        standing: by target, what stood at the end of the day before the first.
        settings: how much history a training takes.
        targets: which to train for.
    """
    now = dict(standing)
    given: History | None = None
    for day in days:
        for target in targets:
            stands = now.get(target)
            if stands is not None and not trains_on(day):
                told = f"{stands.version} stands; the next training is on the first of the month"
                yield Verdict(day, target, "CARRIED", told, stands, {})
                continue
            given = given or history()
            verdict = _train(given, day, target, stands, settings)
            if verdict.standing is not None:
                now[target] = verdict.standing
            yield verdict


def forecaster_rows(told: Iterable[Verdict]) -> pd.DataFrame:
    """SQUEEZE_FORECASTER, sorted by day and target."""
    rows = [
        {"day": each.day, "target": each.target, "status": each.status, "reason": each.reason}
        | dict(each.standing.row if each.standing else {})
        for each in told
    ]
    return (
        SQUEEZE_FORECASTER.conform(pd.DataFrame(rows).sort_values(["day", "target"]))
        if rows
        else SQUEEZE_FORECASTER.empty()
    )


def standing_of(row: Mapping[str, object], model: Model) -> Standing:
    """What stands by a row of SQUEEZE_FORECASTER that names a model."""
    passing = {"day", "target", "status", "reason"}
    return Standing(model, {name: value for name, value in row.items() if name not in passing})


def _train(
    history: History, day: datetime, target: str, stands: Standing | None, settings: TrainingSettings
) -> Verdict:
    """Fit every kind that there is enough history for, and promote the richest if it beats what stands."""
    end = epoch_hour(day) + _HOURS_A_DAY
    rows = _examples(history, target, end - _HOURS_A_DAY * settings.history_days, end - KNOWN_AFTER_HOURS, settings)
    known_days = (int(rows.hour[-1] - rows.hour[0]) + settings.step_hours) / _HOURS_A_DAY if len(rows.hour) else 0.0
    least = dict(settings.least_days)
    validation = _HOURS_A_DAY * min(settings.validation_days, int(known_days) // 4)
    begins = end - KNOWN_AFTER_HOURS - validation
    # Targets of the last hours before would be known, and their windows end, only within the validation.
    learned, judged = _part(rows, rows.hour < begins - KNOWN_AFTER_HOURS), _part(rows, rows.hour >= begins)
    if known_days < least["climatology"] or not len(learned.hour) or not len(judged.hour):
        of_whom = f" of {', '.join(settings.symbols)}" if settings.symbols else ""
        told = f"{known_days:.0f} days of known targets{of_whom} are too few: a base rate needs {least['climatology']}"
        return Verdict(day, target, "NO_DATA" if stands is None else "KEPT", told, stands, {})
    fitted = _fitted(history, target, learned, known_days, settings)
    names = history.features.names
    chances = {kind: model.chances(names, judged.figures) for kind, model in fitted.items()}
    briers = {kind: float(((chance - judged.came) ** 2).mean()) for kind, chance in chances.items()}
    challenger = next(kind for kind in CHALLENGERS if kind in fitted)
    before = chances["climatology"] if stands is None else stands.model.uncalibrated.chances(names, judged.figures)
    better, error = betterment(before, chances[challenger], judged.came, judged.hour)
    brier_before = float(((before - judged.came) ** 2).mean())
    told = f"{challenger} has Brier {briers[challenger]:.4f} on {len(judged.hour)} unseen rows"
    if stands is not None:
        told += f", {stands.version} ({stands.model.kind}) {brier_before:.4f}"
    told += f": better by {better:.5f}, standard error {error:.5f}"
    judgement = _judgement(fitted[challenger], chances, briers, names, judged)
    # A base rate can't be far wrong, so it is left only for what is surely better; of two models the better one stands.
    against_base_rate = stands is None or stands.model.kind == "climatology"
    if not better > (error if against_base_rate else 0.0):
        if stands is not None:
            return Verdict(day, target, "KEPT", told, stands, fitted, judgement)
        challenger, told = "climatology", f"{told}; the base rate stands until something beats it"
    model = fitted[challenger]
    if challenger != "climatology":
        calibration = models.best_calibration(chances[challenger], judged.came, judged.hour, KNOWN_AFTER_HOURS)
        model = replace(model, calibration=calibration)
    model = replace(model, experience=_experience(model.calibration.apply(chances[challenger]), judged))
    version = f"{day:%Y-%m-%d}-{model.sha256[:12]}"
    row = {
        "model_kind": challenger,
        "model_version": version,
        "model_sha256": model.sha256,
        "trained_on": pd.Timestamp(day),
        "calibration": model.calibration.kind,
        "training_sha256": _hash(history.features.names, learned, judged),
        "training_from": _time(learned.hour[0]),
        "training_to": _time(learned.hour[-1]),
        "training_rows": len(learned.hour),
        "validation_from": _time(judged.hour[0]),
        "validation_to": _time(judged.hour[-1]),
        "validation_rows": len(judged.hour),
        "base_rate_pct": 100 * model.base_rate,
        "base_sample_size": max(1, len(learned.hour) * settings.step_hours // HORIZON_HOURS),
        "brier": briers[challenger],
        "brier_base": briers["climatology"],
        "brier_before": brier_before if stands is not None else None,
        "skill": 1 - briers[challenger] / briers["climatology"] if briers["climatology"] > 0 else None,
        "calibration_error": calibration_error(chances[challenger], judged.came),
    }
    return Verdict(day, target, "PROMOTED", told, Standing(model, row), fitted, judgement)


def _judgement(
    challenger: Model,
    chances: Mapping[str, Floats],
    briers: Mapping[str, float],
    names: tuple[str, ...],
    judged: _Examples,
) -> Judgement:
    moved = np.abs(challenger.chances_and_contributions(names, judged.figures)[1]).mean(axis=0)
    order = np.argsort(-moved, kind="stable")[:_IMPORTANT]
    return Judgement(
        briers,
        {kind: calibration_error(chance, judged.came) for kind, chance in chances.items()},
        {kind: reliability(chance, judged.came) for kind, chance in chances.items() if kind in CHALLENGERS[:-1]},
        tuple((names[at], float(moved[at])) for at in order if moved[at] > 0),
    )


def _examples(history: History, target: str, first: int, last: int, settings: TrainingSettings) -> _Examples:
    """The rows of the hours in [first, last) that are learned from, by hour and then symbol."""
    grid = history.features.grid
    came, known = history.targets.of(target)
    numbers = grid.first + np.arange(grid.length)
    wanted = (numbers >= first) & (numbers < last) & (numbers % settings.step_hours == 0)
    chosen = history.features.scored & known & wanted[:, None]
    if settings.symbols:
        chosen &= np.isin(grid.symbols, settings.symbols)
    hour = np.broadcast_to(numbers[:, None], grid.shape)[chosen]
    symbol = np.broadcast_to(np.array(grid.symbols, dtype=object), grid.shape)[chosen]
    return _Examples(hour, symbol, history.features.figures[chosen], came[chosen])


def _part(rows: _Examples, chosen: Truths) -> _Examples:
    return _Examples(rows.hour[chosen], rows.symbol[chosen], rows.figures[chosen], rows.came[chosen])


def _fitted(
    history: History, target: str, learned: _Examples, known_days: float, settings: TrainingSettings
) -> dict[str, Model]:
    """A model of every kind for which there is enough."""
    came = int(learned.came.sum())
    fewest = min(came, len(learned.came) - came)
    least_days, least_came = dict(settings.least_days), dict(settings.least_came)
    kinds = [kind for kind in MODEL_KINDS if known_days >= least_days[kind] and fewest >= least_came[kind]]
    names = history.features.names
    fitted = {kind: models.fit(kind, target, names, learned.figures, learned.came) for kind in kinds if kind != "blend"}
    if "blend" in kinds:
        fitted["blend"] = models.blended(fitted["logistic"], fitted["boosting"])
    return fitted


def _experience(chance: Floats, judged: _Examples) -> tuple[Experience, ...]:
    """What came of low to high chances in the validation, in fifths; days rather than rows, as symbols go together.

    Of a base rate, whose chances are all the same, it is one for all hours.
    """
    edges = np.unique(np.quantile(chance, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, chance, side="right")
    lows = [0.0, *edges.tolist()]
    return tuple(
        Experience(
            lows[at], float(judged.came[bins == at].mean()), len(np.unique(judged.hour[bins == at] // _HOURS_A_DAY))
        )
        for at in range(len(lows))
        if (bins == at).any()
    )


def _hash(names: Sequence[str], learned: _Examples, judged: _Examples) -> str:
    """A hash of all that a training looked at, and of nothing else: a symbol that came later has no part in it."""
    digest = hashlib.sha256(repr(names).encode())
    for rows in (learned, judged):
        digest.update("\n".join(rows.symbol).encode())
        for array in (rows.hour, rows.figures, rows.came):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _time(hour: int | np.int64) -> pd.Timestamp:
    return pd.Timestamp(int(hour) * MICROSECONDS_PER_HOUR, unit="us", tz="UTC")

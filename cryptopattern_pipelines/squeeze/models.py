"""Models of a chance: how each kind is fitted, what it says and why, and how it is written down.

What belongs here: the kinds of models and their calibration. What does not: which rows they learn from, and which of
them stands (`forecaster.py`).

scikit-learn fits; a fitted model is plain numbers, kept as JSON and evaluated with numpy. So its bytes depend on the
data alone, it outlives scikit-learn's next release, reading one runs no code, and an hourly forecast need not load
scikit-learn at all.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole
from cryptopattern_pipelines.squeeze.scores import betterment
from cryptopattern_pipelines.storage.schemas import MODEL_KINDS

CALIBRATIONS = ("none", "platt", "isotonic")

# What a day's swing is told from when nothing else is looked at.
VOLATILITY_FEATURES = ("volatility_6h", "volatility_24h", "volatility_week", "range_24h")

# Standardised features are cut here, so that one odd fact can't carry a linear model away.
_MOST_DEVIATIONS = 4.0
_FARTHEST_LOGIT = 9.0
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Linear:
    """Logistic regression on standardised features: log-odds = bias + weights x (value - mean) / scale."""

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def contributions(self, names: Sequence[str], values: Floats) -> tuple[float, Floats]:
        """The log-odds of a row at the means, and what each feature adds to it; rows x features in `names`' order."""
        at = [names.index(name) for name in self.columns]
        added = np.zeros(values.shape)
        added[:, at] = standardised(values[:, at], np.array(self.mean), np.array(self.scale)) * np.array(self.weights)
        return self.bias, added


@dataclass(frozen=True)
class Trees:
    """Boosted regression trees, all nodes in one list: a leaf's `left` is itself, `value` is the mean of its leaves.

    A row goes left when its value is at most the threshold, or unknown and `missing_left`.
    """

    columns: tuple[str, ...]
    bias: float
    roots: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    def contributions(self, names: Sequence[str], values: Floats) -> tuple[float, Floats]:
        """The mean log-odds of the rows it was fitted to, and what each feature adds on a row's way down the trees.

        Each step down changes the expected value, and that change is its split's feature's (A. Saabas, Interpreting
        random forests, 2014); the steps sum to the prediction exactly.
        """
        at = [names.index(name) for name in self.columns]
        known_as = np.ascontiguousarray(values[:, at].T)
        unknown = np.isnan(known_as)
        added = np.zeros((len(self.columns), len(values)))
        reached: dict[int, Truths] = {root: np.ones(len(values), dtype=bool) for root in self.roots}
        # A node's children stand after it. All rows go through a node at once: far faster than row by row lookups.
        for node, (column, left, right) in enumerate(zip(self.feature, self.left, self.right, strict=True)):
            here = reached.pop(node)
            if left == node:
                continue
            goes_left = known_as[column] <= self.threshold[node]
            if self.missing_left[node]:
                goes_left |= unknown[column]
            reached[left], reached[right] = here & goes_left, here & ~goes_left
            for child in (left, right):
                added[column] += reached[child] * (self.value[child] - self.value[node])
        spread = np.zeros(values.shape)
        spread[:, at] = added.T
        return self.bias + float(sum(self.value[root] for root in self.roots)), spread


@dataclass(frozen=True)
class Calibration:
    """A monotone map from a model's chance to the one that came true in the past.

    `platt`: logistic in the log-odds, `numbers` being slope and offset (J. Platt, 1999). `isotonic`: linear between
    the points (B. Zadrozny and C. Elkan, 2002), `numbers` being all x and then all y.
    """

    kind: str = "none"
    numbers: tuple[float, ...] = ()

    def apply(self, chance: Floats) -> Floats:
        """The calibrated chances."""
        if self.kind == "platt":
            slope, offset = self.numbers
            return _sigmoid(slope * logit(chance) + offset)
        if self.kind == "isotonic":
            half = len(self.numbers) // 2
            return np.interp(chance, self.numbers[:half], self.numbers[half:])
        return chance


@dataclass(frozen=True)
class Experience:
    """What came, in the validation, of the chances from `low` on, up to the next one's: the share, on how many days."""

    low: float
    share: float
    days: int


@dataclass(frozen=True)
class Model:
    """A fitted model of one target. Without parts it says its base rate of everything."""

    kind: str
    target: str
    base_rate: float
    parts: tuple[Linear | Trees, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    experience: tuple[Experience, ...] = ()

    def chances(self, names: Sequence[str], values: Floats) -> Floats:
        """The chance of the target for each row of `values` (rows x features, named by `names`)."""
        return self.chances_and_contributions(names, values)[0]

    def chances_and_contributions(self, names: Sequence[str], values: Floats) -> tuple[Floats, Floats]:
        """The same, and what each feature adds to the log-odds before calibration, mean of the parts."""
        added = np.zeros(values.shape)
        if not self.parts:
            return np.full(len(values), self.base_rate), added
        chance = np.zeros(len(values))
        for part in self.parts:
            bias, adds = part.contributions(names, values)
            chance += _sigmoid(bias + adds.sum(axis=1)) / len(self.parts)
            added += adds / len(self.parts)
        return self.calibration.apply(chance), added

    def to_json(self) -> bytes:
        """The model written down; the same model gives the same bytes."""
        content = asdict(self)
        for part, written in zip(self.parts, content["parts"], strict=True):
            written["form"] = type(part).__name__
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Model":
        """A model that was written down.

        Raises:
            ValueError: the bytes are no model of this release.
        """
        try:
            content = json.loads(data)
            parts = tuple(_part(part) for part in content.pop("parts"))
            calibration = content.pop("calibration")
            calibration = Calibration(calibration["kind"], tuple(calibration["numbers"]))
            experience = tuple(Experience(**each) for each in content.pop("experience"))
            return cls(**content, parts=parts, calibration=calibration, experience=experience)
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"no model of this release ({error}): materialise squeeze_forecaster again") from error

    @property
    def uncalibrated(self) -> "Model":
        """The same without its calibration."""
        return replace(self, calibration=Calibration())

    @property
    def sha256(self) -> str:
        """The hash of what is written down, by which it is kept."""
        return hashlib.sha256(self.to_json()).hexdigest()


def _part(written: dict[str, Any]) -> Linear | Trees:
    form = {"Linear": Linear, "Trees": Trees}[written.pop("form")]
    return form(**{name: tuple(value) if isinstance(value, list) else value for name, value in written.items()})


def standardised(values: Floats, mean: Floats, scale: Floats) -> Floats:
    """Values in standard deviations from the mean, cut at four; an unknown one stands at the mean."""
    deviations = (values - mean) / scale
    return np.clip(np.where(np.isnan(deviations), 0.0, deviations), -_MOST_DEVIATIONS, _MOST_DEVIATIONS)


def logit(chance: Floats) -> Floats:
    """Log-odds, at most nine either way."""
    inside = np.clip(chance, 1e-12, 1 - 1e-12)
    return np.clip(np.log(inside / (1 - inside)), -_FARTHEST_LOGIT, _FARTHEST_LOGIT)


def _sigmoid(log_odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))


def fit(kind: str, target: str, names: Sequence[str], values: Floats, came: Truths) -> Model:
    """Fit one kind that needs no other: `values` is rows x features named by `names`, `came` whether the target did.

    Both outcomes must be among the rows. One thread and a fixed seed: the same rows give the same model.
    """
    base = float(came.mean())
    if kind == "climatology":
        return Model(kind, target, base)
    if kind == "volatility":
        return Model(kind, target, base, (_fit_linear(VOLATILITY_FEATURES, names, values, came, strength=1.0),))
    if kind == "logistic":
        # Many of the features say nearly the same: shrunk weights did better on every year but one.
        return Model(kind, target, base, (_fit_linear(tuple(names), names, values, came, strength=0.01),))
    if kind == "boosting":
        return Model(kind, target, base, (_fit_trees(names, values, came),))
    raise ValueError(f"no kind {kind!r} to fit; there are {', '.join(MODEL_KINDS)}")


def blended(logistic: Model, boosting: Model) -> Model:
    """The mean of two models' chances."""
    return Model("blend", logistic.target, logistic.base_rate, (*logistic.parts, *boosting.parts))


def _fit_linear(
    columns: tuple[str, ...], names: Sequence[str], values: Floats, came: Truths, strength: float
) -> Linear:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (a second to load, needed by training alone)
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    some = values[:, [names.index(name) for name in columns]]
    known = np.isfinite(some)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, some, 0.0).sum(axis=0) / count
    scale = np.sqrt((np.where(known, some - mean, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(scale > 0, scale, 1.0)
    # One thread, because a sum of floats depends on how it is split.
    with threadpool_limits(1):
        fitted = LogisticRegression(C=strength, max_iter=1000).fit(standardised(some, mean, scale), came)
    return Linear(columns, _floats(mean), _floats(scale), _floats(fitted.coef_[0]), float(fitted.intercept_[0]))


def _fit_trees(names: Sequence[str], values: Floats, came: Truths) -> Trees:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    # A column that is nowhere known can't be cut into bins; without a known value it is never split either.
    known = np.flatnonzero(np.isfinite(values).any(axis=0))
    columns = tuple(names[at] for at in known.tolist())
    some = values[:, known]
    boosting = HistGradientBoostingClassifier(
        max_iter=100,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=max(20, min(200, len(some) // 100)),
        l2_regularization=10.0,
        max_features=0.5,
        early_stopping=False,
        random_state=0,
    )
    with threadpool_limits(1):
        boosting.fit(some, came)
        expected = boosting.decision_function(some[:200])
    trees = _trees(columns, boosting)
    bias, added = trees.contributions(columns, some[:200])
    # The nodes have no public name in scikit-learn: should a release change them, this tells.
    if not np.allclose(bias + added.sum(axis=1), expected, atol=1e-8):
        raise RuntimeError("scikit-learn's trees aren't laid out as this release expects: keep to constraints.txt")
    return trees


def _trees(columns: tuple[str, ...], boosting: Any) -> Trees:
    feature: list[int] = []
    threshold: list[float] = []
    missing_left: list[bool] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []
    roots: list[int] = []
    for [predictor] in boosting._predictors:
        nodes, root = predictor.nodes, len(value)
        roots.append(root)
        leaf = nodes["is_leaf"].astype(bool)
        own = root + np.arange(len(nodes))
        feature.extend(nodes["feature_idx"].tolist())
        threshold.extend(np.clip(np.where(leaf, 0.0, nodes["num_threshold"]), -_LARGEST, _LARGEST).tolist())
        missing_left.extend((nodes["missing_go_to_left"].astype(bool) & ~leaf).tolist())
        left.extend(np.where(leaf, own, root + nodes["left"].astype(np.int64)).tolist())
        right.extend(np.where(leaf, own, root + nodes["right"].astype(np.int64)).tolist())
        value.extend(_expected(nodes, leaf).tolist())
    bias = float(np.ravel(boosting._baseline_prediction)[0])
    return Trees(
        columns, bias, tuple(roots), tuple(feature), tuple(threshold), tuple(missing_left), tuple(left),
        tuple(right), tuple(value),
    )  # fmt: skip


def _expected(nodes: npt.NDArray[Any], leaf: Truths) -> Floats:
    """A leaf's value; above it the mean of its children's, each by its count of rows."""
    value, count = np.where(leaf, nodes["value"], 0.0), nodes["count"].astype(np.float64)
    for node in np.argsort(-nodes["depth"].astype(np.int64), kind="stable"):
        if not leaf[node]:
            children = [int(nodes["left"][node]), int(nodes["right"][node])]
            value[node] = (value[children] * count[children]).sum() / count[children].sum()
    return value


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=np.float64).tolist())


def fit_calibration(kind: str, chance: Floats, came: Truths) -> Calibration:
    """The map of this kind that suits these chances and what came of them best.

    Where it came less often the greater the chance, Platt's map would turn the order round: it is refused, and the
    chances stay plain. What the model says has not been true then, but its opposite was judged by nobody.
    """
    if kind == "platt":
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
        from threadpoolctl import threadpool_limits  # noqa: PLC0415

        with threadpool_limits(1):
            fitted = LogisticRegression(C=1e6).fit(logit(chance)[:, None], came)
        slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        return Calibration("platt", (slope, offset)) if slope > 0 else Calibration()
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(chance, came)
        return Calibration("isotonic", _floats(np.concatenate([fitted.X_thresholds_, fitted.y_thresholds_])))
    return Calibration()


def best_calibration(chance: Floats, came: Truths, hour: Whole, gap: int) -> Calibration:
    """The map that did best on hours which it was not fitted to, then fitted to all; none unless it is clearly better.

    Each kind is fitted to the earlier half of the hours and judged on the later one, and the other way round, `gap`
    hours between them being left out. Plain chances stay where no map betters them by more than that betterment's
    standard error, or where a half lacks an outcome: a quarter's hours are so few that a map fitted to them more
    often brings their luck along than mends a model.
    """
    middle = int(np.median(hour)) if len(hour) else 0
    early, late = hour < middle, hour >= middle
    turns = [(hour < middle - gap, late), (hour >= middle + gap, early)]
    if any(came[fitted].all() or not came[fitted].any() for fitted, _ in turns):
        return Calibration()
    judged = np.concatenate([np.flatnonzero(unseen) for _, unseen in turns])
    best, most = "none", 0.0
    for kind in CALIBRATIONS[1:]:
        maps = [fit_calibration(kind, chance[fitted], came[fitted]) for fitted, _ in turns]
        mapped = np.concatenate([map_.apply(chance[unseen]) for map_, (_, unseen) in zip(maps, turns, strict=True)])
        better, error = betterment(chance[judged], mapped, came[judged], hour[judged])
        if better > max(error, most):
            best, most = kind, better
    return fit_calibration(best, chance, came)

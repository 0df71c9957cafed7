"""What forecasts and win rates were worth on hours that they had not seen: scores, intervals, and which claims hold.

What belongs here: the report's figures, as plain numbers. What does not: making the forecasts (`walk_forward.py`),
the measures (`scores.py`), and how a report looks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import MICROSECONDS_PER_HOUR, Floats, Truths, Whole
from cryptopattern_pipelines.squeeze.scores import block_weights, calibration_error, precisions_at_top, reliability
from cryptopattern_pipelines.squeeze.walk_forward import GUIDE, METHODS, STOOD, Scored

# Weeks are drawn whole and with all symbols: neither hours nor symbols are evidence by themselves.
WEEK_HOURS = 168
_DRAWS, _SEED = 400, 20240805
_TOPS = (0.01, 0.05)
_TAIL = 0.025  # of the draws, beyond either end of an interval
_PRECISE = (STOOD, "volatility", GUIDE)
LARGEST_CALIBRATION_ERROR = 0.03

Report = dict[str, Any]


def forecast_report(scored: Sequence[Scored]) -> Report:
    """The scores of each target's methods, by year and by symbol too, and what is asked of the model that stood.

    Returns:
        By target: `rows`, `weeks`, `base_rate`, `methods` (Brier, skill against climatology and against the volatility
        model, precision at the top, calibration error; intervals are 95 % of the bootstrap by weeks), `by_year`,
        `by_symbol`, `reliability`, `claims`. A target without a scored row has `rows` 0 alone.
    """
    return {each.target: _target_report(each) for each in scored}


def _target_report(scored: Scored) -> Report:
    if not len(scored.hour):
        return {"rows": 0}
    week = np.unique(scored.hour // WEEK_HOURS, return_inverse=True)[1]
    weights = block_weights(int(week.max()) + 1, _DRAWS, _SEED)
    losses = {method: (scored.chances[method] - scored.came) ** 2 for method in METHODS}
    by_week: dict[str, Floats] = {
        method: np.bincount(week, loss, weights.shape[1]).astype(np.float64) for method, loss in losses.items()
    }
    tops = {method: precisions_at_top(scored.chances[method], scored.came, week, _TOPS, weights) for method in _PRECISE}
    methods = {method: _method_report(method, scored, losses, by_week, weights) for method in METHODS}
    for method, (whole, draws) in tops.items():
        methods[method]["precision"] = {
            f"top_{100 * share:.0f}_pct": _with_interval(whole[at], draws[:, at]) for at, share in enumerate(_TOPS)
        }
    year = pd.Series((scored.hour * MICROSECONDS_PER_HOUR).astype("datetime64[us]")).dt.year.to_numpy()
    report: Report = {
        "rows": len(scored.hour),
        "weeks": int(weights.shape[1]),
        "base_rate": float(scored.came.mean()),
        "methods": methods,
        "by_year": _groups(scored, losses, {str(each): year == each for each in np.unique(year)}),
        "by_symbol": _groups(scored, losses, {name: scored.symbol == at for at, name in enumerate(scored.symbols)}),
        "reliability": {
            method: {"chance": table.chance.tolist(), "came": table.came.tolist(), "count": table.count.tolist()}
            for method in (STOOD, "volatility")
            for table in [reliability(scored.chances[method], scored.came)]
        },
    }
    report["claims"] = _claims(report, by_week, tops, weights)
    return report


def _method_report(
    method: str, scored: Scored, losses: Mapping[str, Floats], by_week: Mapping[str, Floats], weights: Whole
) -> Report:
    return {
        "brier": float(losses[method].mean()),
        "skill_against_climatology": _skill(method, "climatology", by_week, weights),
        "skill_against_volatility": _skill(method, "volatility", by_week, weights),
        "calibration_error": calibration_error(scored.chances[method], scored.came),
    }


def _skill(method: str, against: str, by_week: Mapping[str, Floats], weights: Whole) -> Report:
    """1 - Brier over the other's Brier; all None where the other one was right throughout.

    Of few weeks some draws hold none but those in which a silent score was right. Where ours was wrong there, the draw
    is worse than any figure: with so many of these that they reach into the interval, it has no lower end.
    """
    if not by_week[against].sum():
        return dict.fromkeys(("value", "low", "high"))
    whole = 1 - by_week[method].sum() / by_week[against].sum()
    mine, others = weights @ by_week[method], weights @ by_week[against]
    figure = _with_interval(float(whole), 1 - mine[others > 0] / others[others > 0])
    lost = np.mean((others <= 0) & (mine > 0))
    return figure if lost < _TAIL else {**figure, "low": None}


def _surely_above(figure: Mapping[str, float | None]) -> bool:
    """Whether a figure's interval leaves out 0, and lies above it."""
    return figure["low"] is not None and figure["low"] > 0


def _with_interval(value: float, draws: Floats) -> Report:
    low, high = np.quantile(draws, [_TAIL, 1 - _TAIL])
    return {"value": float(value), "low": float(low), "high": float(high)}


def _groups(scored: Scored, losses: Mapping[str, Floats], groups: Mapping[str, Truths]) -> Report:
    return {
        name: {
            "rows": int(chosen.sum()),
            "base_rate": float(scored.came[chosen].mean()),
            "brier": float(losses[STOOD][chosen].mean()),
            "skill_against_climatology": float(1 - losses[STOOD][chosen].mean() / losses["climatology"][chosen].mean()),
            "skill_against_volatility": float(1 - losses[STOOD][chosen].mean() / losses["volatility"][chosen].mean()),
            "precision_top_5_pct": float(
                precisions_at_top(scored.chances[STOOD][chosen], scored.came[chosen], None, (0.05,), None)[0][0]
            ),
            "calibration_error": calibration_error(scored.chances[STOOD][chosen], scored.came[chosen]),
        }
        for name, chosen in groups.items()
        if chosen.any()
    }


def _claims(
    report: Report, by_week: Mapping[str, Floats], tops: Mapping[str, tuple[Floats, Floats]], weights: Whole
) -> list[Report]:
    """What is asked of the model that stood, whether it holds, and the figure that it is told by."""
    skill = report["methods"][STOOD]["skill_against_climatology"]
    volatility = report["methods"][STOOD]["skill_against_volatility"]
    error = report["methods"][STOOD]["calibration_error"]
    guide = _skill(STOOD, GUIDE, by_week, weights)
    ahead = _with_interval(float(tops[STOOD][0][1] - tops[GUIDE][0][1]), tops[STOOD][1][:, 1] - tops[GUIDE][1][:, 1])
    return [
        {"claim": "better than the base rate (Brier)", "holds": _surely_above(skill), "figure": skill},
        {"claim": "better than volatility alone (Brier)", "holds": _surely_above(volatility), "figure": volatility},
        {"claim": "better than the guide's score (Brier)", "holds": _surely_above(guide), "figure": guide},
        {
            "claim": "better than the guide's score (precision at the top 5 %)",
            "holds": _surely_above(ahead),
            "figure": ahead,
        },
        {
            "claim": f"calibration error at most {LARGEST_CALIBRATION_ERROR}",
            "holds": error <= LARGEST_CALIBRATION_ERROR,
            "figure": {"value": error},
        },
    ]

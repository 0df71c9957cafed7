"""Alerts: which hours a person asked to be told of, by rules, each beside its odds; and which of them are told.

What belongs here: what a rule asks for, the rows it finds, quiet hours and cool-down. What does not: the file that
rules are read from, where alerts are sent to, and what came of the sending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import Truths, Whole, epoch_hours, window
from cryptopattern_pipelines.storage.schemas import SEVERITIES, SIDE_OF, SQUEEZE_ALERTS, TIME

# What an alert of an analysis bears as it stands there.
_AS_ANALYSED = (
    "squeeze_type", "price", "severity", "probability", "direction_confidence", "signal_count", "estimated_timeframe",
    "risk_level",
)  # fmt: skip
ANALYSIS_COLUMNS = ("hour", "symbol", *_AS_ANALYSED, "explanation")
FORECAST_COLUMNS = (
    "hour", "symbol", "target", "probability_pct", "base_rate_pct", "base_sample_size", "interval_low_pct",
    "interval_high_pct", "interval_sample_size", "drivers",
)  # fmt: skip
RATE_COLUMNS = (
    "day", "symbol", "condition", "timeframe", "side", "effective_sample_size", "win_rate_pct", "interval_low_pct",
    "interval_high_pct", "base_rate_pct", "base_sample_size", "lift", "verdict",
)  # fmt: skip

# Win rates of an hour are those of the day before its own, or of one of the days before that where it lacks.
RATES_LOOKBACK = timedelta(days=7)
# A rate of fewer windows gives way to that of all the symbol's analyses.
_LEAST_WINDOWS = 10
LONGEST_COOLDOWN_HOURS = 24
_DAY = pd.Timedelta(days=1)
_HOUR = pd.Timedelta(hours=1)
_DAY_HOURS = 24

# The side of the market that gains when a forecast comes true; a move either way has none.
SIDE_OF_TARGET = {"short_squeeze": "long", "up_move": "long", "long_squeeze": "short", "down_move": "short"}
SQUEEZE_TARGETS = ("long_squeeze", "short_squeeze")


@dataclass(frozen=True)
class QuietHours:
    """From `start` to before `end` on the clocks of a zone, over midnight where `end` is the earlier one."""

    start: time
    end: time
    zone: ZoneInfo

    def hold(self, moments: pd.Series) -> Truths:
        """Which of some moments (aware times) are quiet."""
        local = moments.dt.tz_convert(self.zone)
        minute = (60 * local.dt.hour + local.dt.minute).to_numpy()
        start, end = (60 * at.hour + at.minute for at in (self.start, self.end))
        after, before = minute >= start, minute < end
        return after & before if start < end else after | before

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is quiet."""
        return bool(self.hold(pd.Series([pd.Timestamp(moment)]))[0])


@dataclass(frozen=True)
class Rule:
    """What somebody wants to be told of.

    - `kind`: analysis (the score of an hour), forecast (a chance), or squeeze (one is under way).
    - `symbols`: canonical names; empty for every symbol.
    - `severity`: the least; of analyses and squeezes.
    - `probability`: the least score of an analysis, or chance of a forecast, percent.
    - `lift`: the least of the odds over their base rate; what isn't known is not enough.
    - `side`: long for a price that may rise, short for one that may fall; None for both.
    - `targets`: of forecasts.
    - `cooldown_hours`: hours after an alert in which the same rule, symbol and claim is not told again, unless it is
      more severe.
    - `quiet`: hours in which nothing is told.
    """

    name: str
    kind: str = "analysis"
    symbols: tuple[str, ...] = ()
    severity: str | None = None
    probability: float | None = None
    lift: float | None = None
    side: str | None = None
    targets: tuple[str, ...] = SQUEEZE_TARGETS
    cooldown_hours: int = 6
    quiet: QuietHours | None = None


# What stands where nobody wrote rules: the guide's threshold for alerts.
DEFAULT_RULE = Rule("default", probability=50.0)


@dataclass(frozen=True)
class Known:
    """The tables that alerts are told from, each from `lookback_start` (`rates`: from RATES_LOOKBACK before it) on.

    - `analyses`: SQUEEZE_ANALYSES, at least ANALYSIS_COLUMNS.
    - `forecasts`: SQUEEZE_FORECASTS, at least FORECAST_COLUMNS.
    - `under_way`: what `events.squeezes_under_way` tells.
    - `rates`: WIN_RATES, at least RATE_COLUMNS.
    """

    analyses: pd.DataFrame
    forecasts: pd.DataFrame
    under_way: pd.DataFrame
    rates: pd.DataFrame


def lookback_start(start: datetime) -> datetime:
    """The hour from which on facts are needed for alerts from `start` on: midnight of the day before."""
    return start.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def squeeze_alerts(known: Known, rules: Sequence[Rule], start: datetime, end: datetime) -> pd.DataFrame:
    """Tell what the rules find in the hours of [start, end).

    Every hour, symbol and claim that a rule asks for is a row, and `status` says whether it is told:

    - QUIET: the hour ends in the rule's quiet hours. It starts no cool-down: what still holds when they end is told
      then.
    - COOLDOWN: the rule told the same symbol and claim less than `cooldown_hours` before, no less severe.
    - NEW: it is told.

    So that an hour's rows don't depend on the range they are computed in, nor on when rows before were written, the
    chain of alerts and cool-downs is followed from midnight of the day before the hour's own, as if nothing had been
    told before. A rule that goes on finding the same thing without a break as long as its cool-down may thus be told
    early, once a day at most, where the cool-down doesn't divide 24.

    Odds of an analysis are the symbol's win rate of its side within 24 hours: of its severity where that has 10
    windows, else of all analyses; by the day before the hour's own. Those of a forecast are its chance. A squeeze under
    way is seen, not foretold; beside it stands how often the forecaster knows one to begin within 24 hours.

    Returns:
        SQUEEZE_ALERTS, sorted by its key.

    Raises:
        WindowError: start or end is no hour of UTC, or end is not after start.
    """
    window(start, end)
    kinds = {rule.kind for rule in rules}
    finders = (
        ("analysis", _analyses, known.analyses),
        ("forecast", _forecasts, known.forecasts),
        ("squeeze", _under_way, known.under_way),
    )
    # Of a kind without a fact no sentences can be made: columns of nothing hold no text.
    candidates = {kind: find(known) for kind, find, facts in finders if kind in kinds and len(facts)}
    found = []
    for rule in (rule for rule in rules if rule.kind in candidates):
        rows = candidates[rule.kind]
        rows = rows[_asked(rows, rule).to_numpy() & (rows["hour"] < end).to_numpy()]
        ends = rows["hour"] + _HOUR
        is_quiet = rule.quiet.hold(ends) if rule.quiet else np.zeros(len(rows), dtype=bool)
        found.append(rows.assign(rule=rule.name, quiet=is_quiet, cooldown=rule.cooldown_hours))
    if not found or not sum(map(len, found)):
        return SQUEEZE_ALERTS.empty()
    rows = _with_status(pd.concat([rows for rows in found if len(rows)], ignore_index=True), start, end)
    if rows.empty:
        return SQUEEZE_ALERTS.empty()
    rows = rows.sort_values(list(SQUEEZE_ALERTS.key), ignore_index=True)
    return SQUEEZE_ALERTS.conform(rows[[name for name in SQUEEZE_ALERTS.names if name in rows]])


def _asked(rows: pd.DataFrame, rule: Rule) -> pd.Series:
    """Which rows of its kind a rule asks for."""
    asked = pd.Series(True, index=rows.index)
    if rule.symbols:
        asked &= rows["symbol"].isin(rule.symbols)
    if rule.severity:
        asked &= rows["severity"].isin(SEVERITIES[SEVERITIES.index(rule.severity) :])
    if rule.probability is not None:
        asked &= rows["probability"] >= rule.probability
    if rule.lift is not None:
        asked &= rows["lift"] >= rule.lift
    if rule.side:
        asked &= rows["side"] == rule.side
    if rule.kind == "forecast":
        asked &= rows["claim"].isin(rule.targets)
    return asked


def _analyses(known: Known) -> pd.DataFrame:
    analyses = known.analyses[known.analyses["probability"] > 0]
    rows = pd.DataFrame(
        {
            "hour": analyses["hour"],
            "symbol": analyses["symbol"],
            "claim": analyses["squeeze_type"],
            "kind": "analysis",
            "side": analyses["squeeze_type"].map(SIDE_OF),
            **{name: analyses[name] for name in _AS_ANALYSED},
            "sentence": analyses["explanation"].fillna("No explanation is known."),
        }
    )
    rows = rows[rows["side"].notna()]
    odds = _rates_by(rows, known.rates)
    return rows.reset_index(drop=True).join(odds)


def _rates_by(rows: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    """The win rates that stood when each row's day began, in the rows' order."""
    rates = rates[(rates["timeframe"] == "24h") & rates["win_rate_pct"].notna()]
    enough = rates["effective_sample_size"] >= _LEAST_WINDOWS
    rates = rates[enough | (rates["condition"] == "all")].sort_values("day")
    wanted = pd.DataFrame(
        {
            "place": np.arange(len(rows)),
            "until": (rows["hour"].dt.floor("D") - _DAY).astype(TIME).array,
            "symbol": rows["symbol"].to_numpy(),
            "side": rows["side"].to_numpy(),
            "severity": rows["severity"].to_numpy(),
        }
    )
    wanted = wanted.sort_values("until", kind="stable")

    def standing(condition: "pd.Series[str] | str") -> pd.DataFrame:
        return (
            pd.merge_asof(
                wanted.assign(condition=condition).astype({"condition": "str"}),
                rates[list(RATE_COLUMNS)].astype({"symbol": wanted["symbol"].dtype, "side": wanted["side"].dtype}),
                left_on="until",
                right_on="day",
                by=["symbol", "side", "condition"],
                tolerance=RATES_LOOKBACK - _DAY,
            )
            .set_index("place")
            .sort_index()
        )

    every, own = standing("all"), standing("severity:" + wanted["severity"])
    best = own.where(own["day"].notna(), every)
    return pd.DataFrame(
        {
            "odds_of": best["condition"].where(best["day"].notna()),
            "odds_pct": best["win_rate_pct"],
            "interval_low_pct": best["interval_low_pct"],
            "interval_high_pct": best["interval_high_pct"],
            "sample_size": best["effective_sample_size"],
            "base_rate_pct": best["base_rate_pct"],
            "base_sample_size": best["base_sample_size"],
            "lift": best["lift"],
            "verdict": best["verdict"],
            "odds_day": best["day"],
        }
    ).reset_index(drop=True)


def _forecasts(known: Known) -> pd.DataFrame:
    forecasts = known.forecasts
    price = known.analyses[["hour", "symbol", "price"]]
    chance, base = forecasts["probability_pct"], forecasts["base_rate_pct"]
    because = forecasts["drivers"].where(forecasts["drivers"] == "", " Driven by " + forecasts["drivers"] + ".")
    named = forecasts["target"].str.replace("_", " ")
    rows = pd.DataFrame(
        {
            "hour": forecasts["hour"],
            "symbol": forecasts["symbol"],
            "claim": forecasts["target"],
            "kind": "forecast",
            "squeeze_type": forecasts["target"].where(forecasts["target"].isin(SQUEEZE_TARGETS)).str.upper(),
            "side": forecasts["target"].map(SIDE_OF_TARGET),
            "severity": pd.Series(None, index=forecasts.index, dtype="str"),
            "probability": chance,
            "odds_of": "forecast",
            "odds_pct": chance,
            "interval_low_pct": forecasts["interval_low_pct"],
            "interval_high_pct": forecasts["interval_high_pct"],
            "sample_size": forecasts["interval_sample_size"],
            "base_rate_pct": base,
            "base_sample_size": forecasts["base_sample_size"],
            "lift": (chance / base.where(base > 0)),
            "sentence": "The forecaster sees a chance of "
            + chance.map("{:.1f} %".format)
            + " of a "
            + named
            + " within 24 hours."
            + because,
        }
    )
    return rows.merge(price, on=["hour", "symbol"], how="left")


def _under_way(known: Known) -> pd.DataFrame:
    seen = known.under_way
    target = seen["squeeze_type"].str.lower()
    who = seen["squeeze_type"].map({"SHORT_SQUEEZE": "shorts", "LONG_SQUEEZE": "longs"})
    drop, usd = seen["open_interest_drop_pct"], seen["liquidated_usd"]
    fell = (", open interest fell by " + drop.map("{:.1f} %".format)).where(drop > 0, "")
    closed = (", " + (usd / 1e6).map("{:,.1f} million USD of ".format) + who + " were closed by force").where(
        usd > 0, ""
    )
    rows = pd.DataFrame(
        {
            "hour": seen["hour"],
            "symbol": seen["symbol"],
            "claim": seen["squeeze_type"],
            "kind": "squeeze",
            "squeeze_type": seen["squeeze_type"],
            "side": seen["squeeze_type"].map(SIDE_OF),
            "price": seen["price"],
            "severity": seen["severity"],
            "probability": np.nan,
            "target": target,
            "sentence": "A "
            + target.str.replace("_", " ")
            + " is under way since "
            + seen["started_at"].dt.strftime("%H:%M UTC")
            + ": price "
            + seen["move_pct"].map("{:+.1f} %".format)
            + " ("
            + seen["move_sigmas"].map("{:.1f}".format)
            + " sigmas)"
            + fell
            + closed
            + ".",
        }
    )
    base = known.forecasts[["hour", "symbol", "target", "base_rate_pct", "base_sample_size"]]
    return rows.merge(base, on=["hour", "symbol", "target"], how="left").assign(lift=np.nan)


def _with_status(rows: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """The rows of [start, end), each with its status; the ones before begin the chains."""
    groups = rows.groupby(["rule", "symbol", "claim"], sort=True)
    group = groups.ngroup().to_numpy()
    cooldown = groups["cooldown"].first().to_numpy()
    first = epoch_hours(pd.Series([pd.Timestamp(lookback_start(start))]))[0]
    at = epoch_hours(rows["hour"]) - first
    days = -(-(window(start, end)[1] - first) // _DAY_HOURS)
    severe = rows["severity"].map({name: rank for rank, name in enumerate(SEVERITIES, start=1)}).fillna(0)
    inside = at >= 0
    told = ~rows["quiet"].to_numpy() & inside
    eligible = np.zeros((days * _DAY_HOURS, len(cooldown)), dtype=bool)
    rank = np.zeros(eligible.shape, dtype=np.int64)
    eligible[at[told], group[told]] = True
    rank[at[inside], group[inside]] = severe.to_numpy()[inside]
    is_new, last = _chains(eligible, rank, cooldown)
    kept = (rows["hour"] >= start).to_numpy()
    at, group = at[kept], group[kept]
    rows = rows[kept]
    new, before = is_new[at, group], last[at, group]
    is_quiet = rows["quiet"].to_numpy()
    status = np.select([is_quiet, new], ["QUIET", "NEW"], "COOLDOWN")
    alerted_at = pd.Series(pd.to_datetime((before + first) * 3600, unit="s", utc=True), index=rows.index)
    return rows.assign(status=status, told_at=alerted_at.where(status == "COOLDOWN").astype(TIME))


def _chains(eligible: Truths, rank: Whole, cooldown: npt.NDArray[np.int64]) -> tuple[Truths, Whole]:
    """Which hours are told, and the row of the alert before each; arrays of whole days' hours x groups.

    Each day's chain begins with the day before it; the first day's own rows are told of none.
    """
    hours, groups = eligible.shape
    days = hours // _DAY_HOURS
    by_day = (days, _DAY_HOURS, groups)
    new, before = np.zeros(by_day, dtype=bool), np.zeros(by_day, dtype=np.int64)
    can, how = eligible.reshape(by_day), rank.reshape(by_day)
    midnight = np.arange(days - 1)[:, None] * _DAY_HOURS
    last = np.full((days - 1, groups), -hours - LONGEST_COOLDOWN_HOURS)
    height = np.zeros((days - 1, groups), dtype=np.int64)
    for step in range(2 * _DAY_HOURS):
        day, hour = divmod(step, _DAY_HOURS)
        among = slice(day, days - 1 + day)
        tells = can[among, hour] & ((midnight + step - last >= cooldown) | (how[among, hour] > height))
        if day:
            new[1:, hour], before[1:, hour] = tells, last
        last = np.where(tells, midnight + step, last)
        height = np.where(tells, how[among, hour], height)
    return new.reshape(hours, groups), before.reshape(hours, groups)

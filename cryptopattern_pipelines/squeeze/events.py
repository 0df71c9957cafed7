"""Squeezes that happened: fast moves in which one side's positions were closed, told once they are over.

What belongs here: which move is a squeeze, where it begins and ends, and its figures. What does not: the signals
that hint at one beforehand (`signals.py`), and what they were worth (`win_rates.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze import closing
from cryptopattern_pipelines.squeeze.closing import Spans, greatest
from cryptopattern_pipelines.squeeze.grid import (
    Floats,
    HourGrid,
    Truths,
    Whole,
    WindowError,
    epoch_hours,
    labels,
    previous,
    trailing_sum,
    window,
)
from cryptopattern_pipelines.squeeze.liquidations import liquidated
from cryptopattern_pipelines.squeeze.paths import price_paths
from cryptopattern_pipelines.squeeze.prices import PRICE_COLUMNS, comparable_log_prices
from cryptopattern_pipelines.squeeze.volatility import trailing_sigma_of_logs
from cryptopattern_pipelines.storage.schemas import SEVERITIES, SIGNALS, SQUEEZE_EVENTS

SNAPSHOT_COLUMNS = ("hour", "symbol", *PRICE_COLUMNS, "open_interest_base")
LIQUIDATION_COLUMNS = ("hour", "symbol", "venue", "span_hours", "long_liquidated_usd", "short_liquidated_usd")
METRIC_COLUMNS = ("hour", "symbol", "venue", "open_interest_base")
ANALYSIS_COLUMNS = ("hour", "symbol", *(f"{signal}_strength" for signal in SIGNALS))

EVIDENCE = ("open_interest", "liquidations")
LIQUIDATED_SOURCES = ("hourly_feed", "daily_feed", "open_interest_proxy")

# Far above what levels are rounded to, and far below what a venue's coming or going moves an average by.
_ROUNDING = 1e-9
# A percentile of fewer hours than a week's says little.
_FEWEST_LIQUIDATION_HOURS = 168


@dataclass(frozen=True)
class EventSettings:
    """What makes a move a squeeze. Drops, moves and percentiles are in percent, sigmas those of the move's own hours.

    - `window_hours`: a squeeze runs within hours; forced orders are not spread over days.
    - `sigma_hours`: thirty days, as the first legs of a crisis would else make its next ones look small.
    - `sigmas`: on real history some .55 % of all windows pass so many up, and as many down; what follows tells
      squeezes from the rest.
    - `least_move_pct`: at 50-fold leverage and .4 % maintenance margin a position is closed by force after 1.6 %;
      a smaller move forces hardly anyone, however calm the month before was (or when a coin is pegged).
    - `quiet_hours`: so many hours without another fast one end an event. Hourly open interest comes an hour late,
      so they also let it be known.
    - `longest_hours`: of a longer run of fast hours, only these last are told.
    - `open_interest_drop_pct`, `move_times_drop`: open interest that falls by next to nothing closed nobody; and the
      smaller the move, the more of it has to fall: their product, both in percent, is what a squeeze takes. Chosen on
      2021 and 2022, for the fewest false alarms that keep every known cascade.
    - `liquidation_percentile`, `liquidation_hours`: against the thirty days before, never absolute USD.
    - `daily_percentile`, `liquidation_days`: the same of feeds that tell days alone, against a quarter.
    - `certain_sigmas`: a move of so many is a squeeze though a feed does not show it, for feeds have been throttled.
    - `severity_sigmas`: from which `move_sigmas` on an event is MODERATE, MAJOR, EXTREME. On real history all
      venues' daily liquidations of that side were among a quarter's highest tenth for 52, 71, 85 and 94 % of each.
    """

    window_hours: tuple[int, ...] = (1, 2, 4)
    sigma_hours: int = 720
    sigmas: float = 3.5
    least_move_pct: float = 1.5
    quiet_hours: int = 4
    longest_hours: int = 48
    open_interest_drop_pct: float = 1.0
    move_times_drop: float = 12.0
    liquidation_percentile: float = 95.0
    liquidation_hours: int = 720
    daily_percentile: float = 90.0
    liquidation_days: int = 90
    certain_sigmas: float = 7.0
    severity_sigmas: tuple[float, float, float] = (5.0, 7.0, 10.0)

    def __post_init__(self) -> None:
        if self.quiet_hours < max(self.window_hours) - 1:
            raise ValueError(
                f"quiet_hours {self.quiet_hours} is too short for windows of {max(self.window_hours)} hours: "
                "two events of a side could begin in the same hour; take at least the longest window less one"
            )

    @property
    def event_lookback(self) -> timedelta:
        """How long before a window of days an event that is told in it may begin, and one hour for its analyses."""
        return timedelta(hours=self.quiet_hours + self.longest_hours + max(self.window_hours) + 1)

    @property
    def snapshots_lookback(self) -> timedelta:
        """How long before a window of days its snapshots must begin."""
        # A run's first fast hour has `quiet_hours` without one before it, each with its own window and sigma.
        hours = self.quiet_hours + max(self.window_hours) + self.sigma_hours + 1
        return self.event_lookback + timedelta(hours=hours)

    @property
    def liquidations_lookback(self) -> timedelta:
        """How long before a window of days its liquidations must begin."""
        before = max(timedelta(hours=self.liquidation_hours), timedelta(days=self.liquidation_days + 1))
        return self.event_lookback + before

    @property
    def lookback(self) -> timedelta:
        """The longest of the three."""
        return max(self.snapshots_lookback, self.liquidations_lookback)


DEFAULTS = EventSettings()


@dataclass(frozen=True)
class _Side:
    """A squeeze's type, whose positions it closes, and the sign of its move."""

    squeeze_type: str
    squeezed: str
    sign: int


_SIDES = (_Side("SHORT_SQUEEZE", "short", 1), _Side("LONG_SQUEEZE", "long", -1))


@dataclass(frozen=True)
class _Facts:
    """Hours x symbols, NaN where not known; liquidations by the side that was closed, and daily ones days x symbols.

    `level` is `comparable_log_prices`. Open interest is venues x hours x symbols, coins. The first hour begins a day.
    """

    grid: HourGrid
    close: Floats
    level: Floats
    high: Floats
    low: Floats
    open_interest: Floats
    liquidated: dict[str, Floats]
    daily: dict[str, Floats]


def squeeze_events(  # noqa: PLR0917 (four tables, a window, the settings, and one table more)
    snapshots: pd.DataFrame,
    candles: pd.DataFrame | None,
    liquidations: pd.DataFrame,
    analyses: pd.DataFrame,
    start: datetime,
    end: datetime,
    settings: EventSettings = DEFAULTS,
    metrics: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Tell the squeezes that were known to have ended in each day of [start, end).

    Prices are snapshots' `average_price`, that is closes: a wick that is gone by the hour's end begins no event. Where
    venues come or go, moves are those of the venues that stay (`comparable_log_prices`); the prices told are averages.
    For each symbol and side (up: SHORT_SQUEEZE, down: LONG_SQUEEZE):

    1. An hour is fast when, over one of `window_hours` that end with it, the price moved by at least
       `least_move_pct` and `sigmas` x s x sqrt(window), the hour itself by its even share of those sigmas, and it
       closes beyond all the window's closes before. s is the trailing hourly sigma at the window's beginning, so a
       move does not dampen its own measure.
    2. Fast hours with fewer than `quiet_hours` others between them are one event; it is over when the
       `quiet_hours` after the last fast hour are. It belongs to the day in which they end.
    3. It starts with its fastest window, the one of the most sigmas: with the hour after that window's close from
       which the price went (down: its highest, up: its lowest; the last of equals). That close is the trigger
       price. Slower hours before are the approach and not told. `end` is the end of the last fast hour, the peak
       the furthest price between: of candles, where they are handed in, else of closes.
    4. Where liquidations are known, they decide: of the squeezed side's, where an hourly feed has a week of the
       `liquidation_hours` before, an hour was at their `liquidation_percentile` or above; else, where a daily one has
       a third of the `liquidation_days` before, a day that the event touched was at their `daily_percentile`; such an
       event is known (`known_at`) no earlier than its last day's end.
    5. Where they are not known, and for moves of `certain_sigmas` that they don't show, open interest decides, where
       it is known: it fell in coins by at least `open_interest_drop_pct` from one hour to a later one, between the
       hour before the start and the event's being over, and the move in percent times that fall is at least
       `move_times_drop`. With neither known the move alone makes the event. `evidence` says which of the two held.

    Rows from before `start` serve as look-back (`settings.lookback`); more of them, or later ones, change nothing.

    Args:
        snapshots: EXCHANGE_SNAPSHOTS, at least SNAPSHOT_COLUMNS, for `settings.snapshots_lookback`.
        candles: MARKET_CANDLES for the peaks, at least `paths.CANDLE_COLUMNS`, for `settings.event_lookback`; None
            takes the peaks from closes.
        liquidations: REALISED_LIQUIDATIONS, at least LIQUIDATION_COLUMNS, for `settings.liquidations_lookback`; a
            venue `all` stands for all venues in its hours. An hour without a row is not known. A row of more than one
            hour is its day's total and counts in no hour.
        analyses: SQUEEZE_ANALYSES, at least ANALYSIS_COLUMNS, for `settings.event_lookback`.
        start: midnight at which the first day begins, UTC.
        end: midnight at which the last day ends, UTC.
        settings: thresholds and lengths.
        metrics: DERIVATIVES_METRICS, at least METRIC_COLUMNS, for `settings.event_lookback`; None takes the snapshots'
            sum of venues, which is right where there is one.

    Returns:
        SQUEEZE_EVENTS, sorted by day, symbol and start.

    Raises:
        WindowError: start or end is not midnight UTC, or end is not after start.
    """
    first, last = window(start, end)
    for time, hour in ((start, first), (end, last)):
        if hour % 24:
            raise WindowError(f"{time} is not midnight UTC: events are told for whole days")
    lead = -(-settings.lookback // timedelta(days=1)) * 24
    facts = _facts(snapshots, candles, liquidations, metrics, first - lead, last)
    first_row = first - facts.grid.first
    parts = [_events(facts, side, first_row, settings) for side in _SIDES]
    frame = pd.concat(parts, ignore_index=True)
    if frame.empty:
        return SQUEEZE_EVENTS.empty()
    frame["signals_before"] = _signals_before(facts.grid, analyses, frame)
    return SQUEEZE_EVENTS.conform(frame.sort_values(["day", "symbol", "started_at"], ignore_index=True))


def squeezes_under_way(  # noqa: PLR0917 (three tables, a window, and the settings)
    snapshots: pd.DataFrame,
    liquidations: pd.DataFrame,
    metrics: pd.DataFrame,
    start: datetime,
    end: datetime,
    settings: EventSettings = DEFAULTS,
) -> pd.DataFrame:
    """Tell the hours of [start, end) at whose end a squeeze is seen to be under way.

    Such an hour is fast, and what `squeeze_events` asks of an event beside its price holds by then of the move so far:
    in the fast hours from its start on. What comes after the hour may still prove it none, and an event that is borne
    out only later, as open interest goes on falling, is under way in no hour. Of liquidations hourly feeds alone serve:
    a daily total isn't known before its day is over.

    Args:
        snapshots: EXCHANGE_SNAPSHOTS, at least SNAPSHOT_COLUMNS, for `settings.snapshots_lookback`.
        liquidations: REALISED_LIQUIDATIONS, at least LIQUIDATION_COLUMNS, for `settings.liquidations_lookback`.
        metrics: DERIVATIVES_METRICS, at least METRIC_COLUMNS, for `settings.event_lookback`.
        start: start of the first hour, UTC.
        end: end of the last hour, UTC.
        settings: thresholds and lengths.

    Returns:
        hour, symbol, squeeze_type, started_at, price and trigger_price (USD), move_pct, move_sigmas, severity,
        open_interest_drop_pct, liquidated_usd and liquidated_percentile (NaN where not known); sorted by hour, symbol
        and type.

    Raises:
        WindowError: start or end is no hour of UTC, or end is not after start.
    """
    first, last = window(start, end)
    lead = -(-settings.lookback // timedelta(days=1)) * 24
    begin = first // 24 * 24 - lead
    hourly = liquidations[(liquidations["span_hours"] == 1).to_numpy(dtype=bool)]
    facts = _facts(snapshots[snapshots["hour"] < end], None, hourly, metrics, begin, -(-last // 24) * 24)
    parts = [_under_way(facts, side, first - begin, last - begin, settings) for side in _SIDES]
    return pd.concat(parts, ignore_index=True).sort_values(["hour", "symbol", "squeeze_type"], ignore_index=True)


def _under_way(facts: _Facts, side: _Side, first_row: int, end_row: int, settings: EventSettings) -> pd.DataFrame:
    found = _fast(facts.level, side, settings)
    row, column = np.nonzero(found.fast[first_row:end_row])
    spans = _spans_to(found, row + first_row, column, settings)
    price, trigger = facts.close[spans.last, spans.column], facts.close[spans.start - 1, spans.column]
    move = _move(facts, spans, spans.last, price)
    drop, _ = closing.open_interest_drop(facts.open_interest, spans, spans.last)
    usd, percentile = _hourly_liquidations(facts, side, spans, settings)
    stood_out = percentile >= settings.liquidation_percentile
    _, squeezed = _judged(move, drop, spans.sigmas, np.isfinite(percentile), stood_out, settings)
    grid = facts.grid
    frame = pd.DataFrame(
        {
            "hour": grid.times(spans.last),
            "symbol": grid.names(spans.column),
            "squeeze_type": pd.Series(side.squeeze_type, index=range(len(row)), dtype="str"),
            "started_at": grid.times(spans.start),
            "price": price,
            "trigger_price": trigger,
            "move_pct": move,
            "move_sigmas": spans.sigmas,
            "severity": labels(SEVERITIES, np.digitize(spans.sigmas, settings.severity_sigmas)),
            "open_interest_drop_pct": drop,
            "liquidated_usd": usd,
            "liquidated_percentile": percentile,
        }
    )
    return frame[squeezed]


def _facts(  # noqa: PLR0917 (four tables and a window)
    snapshots: pd.DataFrame,
    candles: pd.DataFrame | None,
    liquidations: pd.DataFrame,
    metrics: pd.DataFrame | None,
    first: int,
    last: int,
) -> _Facts:
    """Lay out what is known of the hours in [first, last)."""
    hours = epoch_hours(snapshots["hour"])
    inside = (hours >= first) & (hours < last)
    rows = snapshots[inside]
    grid = HourGrid(first, last - first, tuple(sorted(rows["symbol"].unique())))
    cells = grid.cells(hours[inside], rows["symbol"])
    close, open_interest = (
        grid.spread(cells, rows[name].to_numpy(dtype=np.float64), np.nan)
        for name in ("average_price", "open_interest_base")
    )
    high, low = close, close
    if candles is not None:
        paths = price_paths(candles, first, last)
        columns = pd.Index(paths.grid.symbols).get_indexer(pd.Index(grid.symbols))
        # A symbol without candles has column -1, and takes the column of none that is put last.
        none = np.full((grid.length, 1), np.nan)
        high = np.fmax(close, np.hstack([paths.high, none])[:, columns])
        low = np.fmin(close, np.hstack([paths.low, none])[:, columns])
    interest = open_interest[None] if metrics is None else _by_venue(grid, metrics)
    daily = (liquidations["span_hours"] > 1).to_numpy(dtype=bool)
    by_hour, of_days = _liquidated(grid, liquidations[~daily]), _liquidated(grid, liquidations[daily])
    # A daily total stands at one hour of its day, the others are not known.
    by_day = {side: np.fmax.reduce(usd.reshape(grid.length // 24, 24, -1), axis=1) for side, usd in of_days.items()}
    level = comparable_log_prices(grid, cells, rows)
    return _Facts(grid, close, level, high, low, interest, by_hour, by_day)


def _by_venue(grid: HourGrid, metrics: pd.DataFrame) -> Floats:
    """Coins of open interest, venues x hours x symbols, NaN where not known."""
    told = metrics[metrics["open_interest_base"].notna()]
    parts = [told[(told["venue"] == venue).to_numpy(dtype=bool)] for venue in sorted(told["venue"].unique())]
    cubes = [
        grid.spread(
            grid.cells(epoch_hours(part["hour"]), part["symbol"]),
            part["open_interest_base"].to_numpy(dtype=np.float64),
            np.nan,
        )
        for part in parts
    ]
    return np.stack(cubes) if cubes else np.full((1, *grid.shape), np.nan)


def _liquidated(grid: HourGrid, liquidations: pd.DataFrame) -> dict[str, Floats]:
    """USD liquidated of each side in the rows of each hour, of all venues; NaN where no venue has a row."""
    longs, shorts, known = liquidated(grid, liquidations)
    return {side: np.where(known, usd, np.nan) for side, usd in (("long", longs), ("short", shorts))}


def _events(facts: _Facts, side: _Side, first_row: int, settings: EventSettings) -> pd.DataFrame:
    """The rows of one side that are known from `first_row` on, without their signals."""
    spans = _spans(facts.level, side, first_row, settings)
    drop, coins_closed = closing.open_interest_drop(facts.open_interest, spans, spans.last + settings.quiet_hours)
    furthest = side.sign * (facts.high if side.sign > 0 else facts.low)
    peak, peak_price = greatest(furthest, spans.start, spans.last, spans.column)
    peak_price *= side.sign
    trigger = facts.close[spans.start - 1, spans.column]
    move = _move(facts, spans, peak, peak_price)

    usd, percentile = _hourly_liquidations(facts, side, spans, settings)
    first_day, last_day = spans.start // 24, spans.last // 24
    days = settings.liquidation_days
    daily_usd, daily_percentile = closing.liquidations(
        facts.daily[side.squeezed], first_day, last_day, spans.column, days, days / 3
    )
    told_hourly, told_daily = np.isfinite(percentile), np.isfinite(daily_percentile)
    proxy = coins_closed * trigger
    liquidated_usd = np.where(told_hourly, usd, np.where(told_daily, daily_usd, proxy))
    # A proxy below zero says that open interest rose: nobody's closing.
    liquidated_usd = np.where(liquidated_usd >= 0, liquidated_usd, np.nan)
    source = np.select([np.isnan(liquidated_usd), told_hourly, told_daily], [-1, 0, 1], 2)
    stood_out = np.where(
        told_hourly, percentile >= settings.liquidation_percentile, daily_percentile >= settings.daily_percentile
    )
    fell, squeezed = _judged(move, drop, spans.sigmas, told_hourly | told_daily, stood_out, settings)
    grid, known_row = facts.grid, spans.last + settings.quiet_hours
    # A day's total is told when its day is over, which may be after the quiet hours.
    day_told = np.where(told_daily & ~told_hourly, 24 * (spans.last // 24 + 1), 0)
    frame = pd.DataFrame(
        {
            "day": grid.times(known_row).dt.floor("D"),
            "symbol": grid.names(spans.column),
            "squeeze_type": side.squeeze_type,
            "started_at": grid.times(spans.start),
            "peaked_at": grid.times(peak),
            "ended_at": grid.times(spans.last + 1),
            "known_at": grid.times(np.maximum(known_row + 1, day_told)),
            "trigger_price": trigger,
            "peak_price": peak_price,
            "move_pct": move,
            "move_sigmas": spans.sigmas,
            "open_interest_drop_pct": drop,
            "liquidated_usd": liquidated_usd,
            "liquidated_source": labels(LIQUIDATED_SOURCES, source),
            "liquidated_percentile": np.where(told_hourly, percentile, daily_percentile),
            "liquidated_proxy_usd": np.where(proxy >= 0, proxy, np.nan),
            "severity": labels(SEVERITIES, np.digitize(spans.sigmas, settings.severity_sigmas)),
            "evidence": _joined(EVIDENCE, np.stack([fell, stood_out], axis=1)),
        }
    )
    return frame[squeezed]


def _judged(  # noqa: PLR0917 (what is known of each move, and the settings)
    move: Floats, drop: Floats, sigmas: Floats, told: Truths, stood_out: Truths, settings: EventSettings
) -> tuple[Truths, Truths]:
    """Whether open interest fell enough for each move, and whether it is a squeeze (4 and 5 of `squeeze_events`)."""
    fell = (drop >= settings.open_interest_drop_pct) & (np.abs(move) * drop >= settings.move_times_drop)
    may_have_fallen = fell | np.isnan(drop)
    certain = sigmas >= settings.certain_sigmas
    return fell, np.where(told, stood_out | (certain & may_have_fallen), may_have_fallen)


def _move(facts: _Facts, spans: Spans, row: Whole, price: Floats) -> Floats:
    """Percent from the trigger to a price of `row`, without what an average moved because a venue came or went."""
    trigger = facts.close[spans.start - 1, spans.column]
    beside = facts.level - np.log(facts.close)
    shift = beside[row, spans.column] - beside[spans.start - 1, spans.column]
    # Levels are rounded, and an hour may have candles but no snapshot.
    shift = np.where(np.abs(shift) > _ROUNDING, shift, 0.0)
    return 100 * (price / trigger * np.exp(shift) - 1)


def _hourly_liquidations(facts: _Facts, side: _Side, spans: Spans, settings: EventSettings) -> tuple[Floats, Floats]:
    before = settings.liquidation_hours
    usd = facts.liquidated[side.squeezed]
    return closing.liquidations(usd, spans.start, spans.last, spans.column, before, _FEWEST_LIQUIDATION_HOURS)


@dataclass(frozen=True)
class _Fast:
    """Hours x symbols of one side: how far the price is beyond, and of fast hours the greatest sigmas and its window.

    `sigmas` is -inf and `hours` 0 where an hour isn't fast; `head` is the row in which the newest run of fast hours
    began, -1 before the first.
    """

    beyond: Floats
    sigmas: Floats
    hours: Whole
    head: Whole

    @property
    def fast(self) -> Truths:
        """Which hours are fast."""
        return self.hours > 0


def _fast(level: Floats, side: _Side, settings: EventSettings) -> _Fast:
    """The fast hours of one side; each by its own past alone."""
    beyond = side.sign * level
    hourly = trailing_sigma_of_logs(level, settings.sigma_hours)
    least_move = side.sign * np.log1p(side.sign * settings.least_move_pct / 100)
    last_hour = beyond - previous(beyond, 1)
    most = np.full(level.shape, -np.inf)
    hours_of_greatest = np.zeros(level.shape, dtype=np.int64)
    for hours in settings.window_hours:
        move = beyond - previous(beyond, hours)
        sigma = previous(hourly, hours) * np.sqrt(hours)
        furthest_before = np.fmax.reduce([previous(beyond, lag) for lag in range(1, hours + 1)])
        # Comparisons with an unknown price or sigma are false.
        passed = (
            (move >= settings.sigmas * sigma)
            & (move >= least_move)
            & (last_hour >= settings.sigmas * sigma / hours)
            & (beyond > furthest_before)
        )
        sigmas = np.where(passed, move / sigma, -np.inf)
        hours_of_greatest[sigmas > most] = hours
        most = np.maximum(most, sigmas)
    fast = hours_of_greatest > 0
    quiet = settings.quiet_hours
    none = np.zeros((quiet, fast.shape[1]), dtype=bool)
    before = trailing_sum(np.vstack([none, fast]).astype(np.int64), quiet)[quiet - 1 : -1]
    rows = np.arange(len(level))[:, None]
    head = np.maximum.accumulate(np.where(fast & (before == 0), rows, -1), axis=0)
    return _Fast(beyond, most, hours_of_greatest, head)


def _spans(level: Floats, side: _Side, first_row: int, settings: EventSettings) -> Spans:
    """The moves of one side that are over, and known to be, in `first_row` or later."""
    found, quiet = _fast(level, side, settings), settings.quiet_hours
    none = np.zeros((quiet, level.shape[1]), dtype=bool)
    after = trailing_sum(np.vstack([found.fast, none]).astype(np.int64), quiet)[quiet:]
    over = found.fast & (after == 0)
    over[: first_row - quiet] = False
    over[len(level) - quiet :] = False
    last, column = np.nonzero(over)
    return _spans_to(found, last, column, settings)


def _spans_to(found: _Fast, last: Whole, column: Whole, settings: EventSettings) -> Spans:
    """The move that each of these fast hours is the last of."""
    length = len(found.beyond)
    rows = np.arange(length)[:, None]
    next_fast = np.minimum.accumulate(np.where(found.fast, rows, length)[::-1], axis=0)[::-1]
    oldest = last - settings.longest_hours + 1
    head = found.head[last, column]
    head = np.where(head < oldest, next_fast[oldest, column], head)
    fastest, sigmas = greatest(found.sigmas, head, last, column)
    window_begins = fastest - found.hours[fastest, column]
    # Turned round in time, the first of equals is the last.
    turned, _ = greatest(-found.beyond[::-1], length - fastest, length - 1 - window_begins, column)
    return Spans(length - turned, last, column, sigmas)


def _signals_before(grid: HourGrid, analyses: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """Names of the signals that stood in the hour before each start; missing where that hour has no analysis."""
    row_of = grid.spread(grid.cells(epoch_hours(analyses["hour"]), analyses["symbol"]), np.arange(len(analyses)), -1)
    at = row_of.ravel()[grid.cells(epoch_hours(events["started_at"]) - 1, events["symbol"])]
    strengths = analyses[[f"{signal}_strength" for signal in SIGNALS]].to_numpy(dtype=np.float64)
    standing = np.vstack([np.isfinite(strengths), np.zeros((1, len(SIGNALS)), dtype=bool)])[at]
    return _joined(SIGNALS, standing).where(at >= 0)


def _joined(names: Sequence[str], present: Truths) -> pd.Series:
    """For each row of `present` (rows x names) the names that are, comma between; empty text for none."""
    texts = [",".join(name for place, name in enumerate(names) if code >> place & 1) for code in range(2 ** len(names))]
    return labels(texts, present @ (1 << np.arange(len(names))))

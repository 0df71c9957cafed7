"""Simulates an hourly market of three coins: prices, volume, open interest, funding, the crowd, liquidations.

No row is of a real market. What is put in on purpose is in `PLANTED` alone: build-ups of a crowd, most of
which end in a squeeze and some in nothing. How files are written is in `archive.py`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEED = 20241101
START = pd.Timestamp("2024-11-01", tz="UTC")
DAYS = 90
SUBSTEPS = 12
_WARM_UP = 240


@dataclass(frozen=True)
class Coin:
    """What tells one coin from another.

    volatility: usual move of an hour, fraction. volume_usd, open_interest_usd: usual hour's volume and open interest.
    trade_usd: size of a usual trade. long_lean: share of accounts that are long more than half in quiet times. tick,
    spot_tick, lot: smallest steps of prices and quantities. round_price: traders enter at its multiples. anchors:
    prices at the edges of the regimes, USD.
    """

    name: str
    volatility: float
    volume_usd: float
    open_interest_usd: float
    trade_usd: float
    long_lean: float
    tick: float
    spot_tick: float
    lot: float
    round_price: float
    anchors: tuple[float, ...]


@dataclass(frozen=True)
class Planted:
    """A crowd that builds up for 60 hours before `start` and is squeezed by `move` over `hours`, or by nothing.

    side: who crowds, and so who is squeezed. move: fraction, its sign against the crowd; 0 is a false alarm.
    """

    coin: str
    side: str
    start: pd.Timestamp
    move: float
    hours: int


@dataclass(frozen=True)
class Market:
    """The simulated market. `hours` has one frame a coin, `path` its prices each five minutes (hours, 12), USD."""

    hours: dict[str, pd.DataFrame]
    path: dict[str, Floats]

    def price(self, coin: str, at: pd.Timestamp) -> float:
        """The perpetual's last price at a time, in five-minute steps, USD."""
        step = int((at - START) // pd.Timedelta(hours=1) * SUBSTEPS + at.minute // 5) - 1
        return float(self.path[coin].reshape(-1)[step])


COINS = (
    Coin(
        "BTC", 0.0044, 1.0e9, 7.2e9, 4_200, 0.03, 0.1, 0.01, 0.001, 500,
        (70_312.4, 97_486.1, 97_803.7, 104_035.2, 93_968.3, 95_527.9, 104_461.6, 107_538.5),
    ),
    Coin(
        "ETH", 0.0058, 5.5e8, 4.4e9, 2_600, 0.12, 0.01, 0.01, 0.001, 20,
        (2_519.37, 3_321.84, 3_846.12, 3_904.55, 3_337.71, 3_203.46, 3_278.93, 3_541.28),
    ),
    Coin(
        "SOL", 0.0076, 2.4e8, 1.5e9, 1_500, 0.14, 0.01, 0.01, 1.0, 1,
        (168.42, 251.73, 238.19, 215.37, 189.64, 188.05, 252.31, 255.16),
    ),
)  # fmt: skip
# Day on which each regime ends, and its volatility against the usual: rally, range, storm, fall, range, rally, calm.
REGIMES = ((21, 1.05), (35, 0.75), (46, 1.35), (61, 1.15), (74, 0.7), (82, 1.05), (90, 0.8))


def _planted(coin: str, side: str, start: str, move: float, hours: int) -> Planted:
    return Planted(coin, side, pd.Timestamp(start, tz="UTC"), move, hours)


PLANTED = (
    _planted("BTC", "short", "2024-11-10 14:00", 0.075, 6),
    _planted("ETH", "short", "2024-11-16 08:00", 0, 0),
    _planted("SOL", "long", "2024-11-19 20:00", -0.10, 5),
    _planted("ETH", "short", "2024-11-25 15:00", 0.085, 6),
    _planted("BTC", "long", "2024-12-01 10:00", 0, 0),
    _planted("BTC", "long", "2024-12-09 19:00", -0.07, 5),
    _planted("ETH", "long", "2024-12-09 19:00", -0.10, 5),
    _planted("SOL", "long", "2024-12-09 20:00", -0.12, 5),
    _planted("SOL", "short", "2024-12-16 13:00", 0.11, 6),
    _planted("ETH", "long", "2024-12-20 04:00", -0.09, 5),
    _planted("BTC", "short", "2024-12-27 12:00", 0, 0),
    _planted("BTC", "short", "2025-01-05 15:00", 0.065, 6),
    _planted("SOL", "short", "2025-01-08 09:00", 0, 0),
    _planted("BTC", "long", "2025-01-13 14:00", -0.065, 5),
    _planted("ETH", "long", "2025-01-19 11:00", 0, 0),
    _planted("SOL", "short", "2025-01-18 06:00", 0.12, 7),
    _planted("ETH", "short", "2025-01-29 18:00", 0.09, 8),
)
BUILD_UP_HOURS = 60
RETRACE_HOURS = 12


def _squeeze_shape(hours: int) -> Floats:
    """Share of a squeeze's move in each of its hours: slow, fast, slow."""
    shape = np.sin(np.linspace(0.25, np.pi - 0.25, hours)) ** 1.5
    return shape / shape.sum()


def _hour_of(at: pd.Timestamp) -> int:
    return int((at - START) / pd.Timedelta(hours=1)) + _WARM_UP


def _returns(random: np.random.RandomState, hours: int) -> tuple[Floats, Floats]:
    """Hourly log returns and their conditional volatility, both (hours, coins), before planted moves and drift.

    A common and an own factor follow GARCH(1,1) (Bollerslev 1986) with Student's t of five degrees; jumps come
    on top, common ones about every twelve days and own ones about every eight.
    """
    coins = len(COINS)
    shock = random.standard_t(5, (hours, coins + 1)) / np.sqrt(5 / 3)
    variance = np.ones((hours, coins + 1))
    for t in range(1, hours):
        variance[t] = 0.03 + variance[t - 1] * (0.11 * shock[t - 1] ** 2 + 0.86)
        np.minimum(variance[t], 8.0, out=variance[t])
    factor = shock * np.sqrt(variance)
    base = np.array([coin.volatility for coin in COINS])
    calm = np.concatenate([np.ones(_WARM_UP)] + [np.full(24 * days, level) for days, level in _regime_days()])[:hours]
    together = 0.8
    volatility = np.sqrt(together * variance[:, :1] + (1 - together) * variance[:, 1:]) * base * calm[:, None]
    returns = (np.sqrt(together) * factor[:, :1] + np.sqrt(1 - together) * factor[:, 1:]) * base * calm[:, None]
    jump = random.random_sample((hours, coins + 1)) < np.array([1 / 290] + [1 / 190] * coins)
    size = random.choice([-1.0, 1.0], (hours, coins + 1)) * (3 + 2 * random.random_sample((hours, coins + 1)))
    return returns + (jump * size)[:, 1:] * base + (jump * size)[:, :1] * base, volatility


def _regime_days() -> list[tuple[int, float]]:
    begins = [0] + [day for day, _ in REGIMES]
    return [(end - begin, level) for begin, (end, level) in zip(begins, REGIMES, strict=False)]


def _add_planted_moves(returns: Floats) -> None:
    for planted in PLANTED:
        if not planted.move:
            continue
        at, column = _hour_of(planted.start), _column(planted.coin)
        full = np.log1p(planted.move)
        squeeze = full * _squeeze_shape(planted.hours)
        retrace = np.full(RETRACE_HOURS, -0.3 * full / RETRACE_HOURS)
        path = np.concatenate([squeeze, retrace])[: len(returns) - at]
        quiet = slice(at, at + planted.hours)
        # A squeeze is one-way: chance is damped while it lasts.
        returns[quiet, column] *= 0.4
        returns[at : at + len(path), column] += path


def _column(coin: str) -> int:
    return [c.name for c in COINS].index(coin)


def _drift_to_anchors(returns: Floats) -> None:
    """Add each regime's drift, so that its first and last price are the coin's anchors."""
    returns[:_WARM_UP] -= returns[:_WARM_UP].mean(axis=0)
    begin = _WARM_UP
    for i, (days, _) in enumerate(_regime_days()):
        part = slice(begin, begin + 24 * days)
        target = np.array([np.log(coin.anchors[i + 1] / coin.anchors[i]) for coin in COINS])
        returns[part] += (target - returns[part].sum(axis=0)) / (24 * days)
        begin += 24 * days


@dataclass(frozen=True)
class _Positions:
    crowd: Floats
    open_interest: Floats
    premium: Floats


def _positions(random: np.random.RandomState, returns: Floats, volatility: Floats) -> _Positions:
    """The crowd's lean (-1 all short to 1 all long), open interest against the usual, and the perpetual's premium.

    The crowd follows the last day's move and, where one is planted, its build-up. Open interest builds up with
    it and falls when the price runs fast, most of all in a squeeze. The premium follows the crowd.
    """
    hours, coins = returns.shape
    wanted = np.full((hours, coins), np.nan)
    growth = np.zeros((hours, coins))
    for planted in PLANTED:
        at, column = _hour_of(planted.start), _column(planted.coin)
        build_up = slice(at - BUILD_UP_HOURS, at)
        wanted[build_up, column] = -0.9 if planted.side == "short" else 0.9
        growth[build_up, column] = 0.22 / BUILD_UP_HOURS
        if planted.move:
            growth[at : at + planted.hours, column] = -0.17 * _squeeze_shape(planted.hours)[: hours - at]
    crowd, level = np.zeros((hours, coins)), np.zeros((hours, coins))
    nudge = random.standard_normal((hours, coins))
    noise = random.standard_normal((hours, coins))
    usual = np.array([coin.volatility for coin in COINS])
    fast = np.maximum(np.abs(returns) / usual - 2.5, 0)
    for t in range(1, hours):
        day = returns[max(0, t - 24) : t].sum(axis=0)
        follow = 0.45 * np.tanh(day / (3 * usual * np.sqrt(24)))
        planted_now = ~np.isnan(wanted[t])
        target = np.where(planted_now, wanted[t], follow)
        crowd[t] = crowd[t - 1] + np.where(planted_now, 0.09, 0.06) * (target - crowd[t - 1]) + 0.03 * nudge[t]
        level[t] = 0.992 * level[t - 1] + 0.0025 * noise[t] + growth[t] - 0.004 * np.minimum(fast[t], 5)
    crowd = np.clip(crowd, -0.97, 0.97)
    premium = 0.0009 * crowd + 0.03 * returns * (np.abs(returns) < 4 * volatility)
    premium += 0.00008 * random.standard_normal((hours, coins))
    return _Positions(crowd, np.exp(level), premium)


def _volume(random: np.random.RandomState, returns: Floats, volatility: Floats, hour_of_day: Floats) -> Floats:
    """Volume against the usual hour: high when volatile, in fast hours, in the American afternoon; low at weekends."""
    hours, coins = returns.shape
    usual = np.array([coin.volatility for coin in COINS])
    memory = np.zeros((hours, coins))
    noise = random.standard_normal((hours, coins))
    for t in range(1, hours):
        memory[t] = 0.85 * memory[t - 1] + 0.18 * noise[t]
    weekday = (START - pd.Timedelta(hours=_WARM_UP)).day_of_week + np.arange(hours) // 24
    season = 0.35 * np.cos((hour_of_day - 15.5) * np.pi / 12) - 0.35 * (weekday % 7 >= 5)
    fast = np.minimum(np.abs(returns) / usual, 6)
    rush = np.zeros((hours, coins))
    for planted in PLANTED:
        if planted.move:
            at = _hour_of(planted.start)
            rush[at : at + planted.hours, _column(planted.coin)] = 0.9
    return np.exp(0.7 * np.log(volatility / usual) + 0.26 * fast - 0.4 + season[:, None] + memory + rush)


def _liquidated(
    random: np.random.RandomState, open_interest: Floats, crowd: Floats, reach: Floats, usual: float
) -> tuple[Floats, Floats]:
    """USD of longs and of shorts liquidated in each hour: few in quiet hours, a cascade when the price runs.

    reach: (hours, 2), how far the price ran below and above the hour's open, fractions.
    """
    sides = []
    for column, lean in ((0, crowd), (1, -crowd)):
        quiet = 4e-6 * np.exp(1.3 * random.standard_normal(len(crowd)))
        cascade = 1.6e-4 * np.maximum(reach[:, column] / usual - 1.3, 0) ** 1.7
        sides.append(open_interest * (1 + 0.85 * lean) * (quiet + cascade))
    return sides[0], sides[1]


def _paths(random: np.random.RandomState, closes: Floats, returns: Floats, volatility: Floats) -> Floats:
    """Prices each five minutes, (hours, 12): bridges from each hour's open to its close."""
    steps = random.standard_normal((len(closes), SUBSTEPS))
    spread = np.maximum(0.75 * volatility, 0.25 * np.abs(returns)) / np.sqrt(SUBSTEPS)
    walk = np.cumsum(steps * spread[:, None], axis=1)
    along = np.arange(1, SUBSTEPS + 1) / SUBSTEPS
    bridge = walk - walk[:, -1:] * along + returns[:, None] * along
    return closes[:, None] * np.exp(bridge - returns[:, None])


def _on_tick(values: Floats, tick: float) -> Floats:
    return np.round(np.round(values / tick) * tick, 8)


def simulate(seed: int = SEED) -> Market:
    """The market from 2024-11-01 up to, not including, 2025-01-30 00:00 UTC.

    Each coin's frame has the columns hour, open, high, low, close (the perpetual's, USD), volume_base, volume_usd,
    trades, taker_buy_base, taker_buy_usd, spot_open, spot_high, spot_low, spot_close, spot_volume_base,
    spot_volume_usd, spot_trades, spot_taker_buy_base, spot_taker_buy_usd, crowd, premium, open_interest_base (at
    the hour's end), account_ratio, top_account_ratio, top_position_ratio, taker_ratio (all at the hour's end),
    long_liquidated_usd, short_liquidated_usd, and funding_rate, the rate settled when the hour begins if it is one
    at which Binance settles.
    """
    # RandomState's stream is frozen by numpy, a Generator's may change: the sample must come out the same.
    random = np.random.RandomState(seed)
    hours = _WARM_UP + 24 * DAYS
    returns, volatility = _returns(random, hours)
    _add_planted_moves(returns)
    _drift_to_anchors(returns)
    hour_of_day = (np.arange(hours) % 24).astype(np.float64)
    positions = _positions(random, returns, volatility)
    volume = _volume(random, returns, volatility, hour_of_day)
    frames, paths = {}, {}
    for i, coin in enumerate(COINS):
        frame, path = _coin(
            random,
            coin,
            returns=returns[:, i],
            volatility=volatility[:, i],
            volume=volume[:, i],
            positions=_Positions(positions.crowd[:, i], positions.open_interest[:, i], positions.premium[:, i]),
        )
        frames[coin.name] = frame.iloc[_WARM_UP:].reset_index(drop=True)
        paths[coin.name] = path[_WARM_UP:]
    return Market(frames, paths)


def _coin(
    random: np.random.RandomState,
    coin: Coin,
    *,
    returns: Floats,
    volatility: Floats,
    volume: Floats,
    positions: _Positions,
) -> tuple[pd.DataFrame, Floats]:
    hours = len(returns)
    log_price = np.log(coin.anchors[0]) + np.cumsum(returns) - returns[:_WARM_UP].sum()
    path = _on_tick(_paths(random, np.exp(log_price), returns, volatility), coin.tick)
    begin = np.concatenate([[path[0, 0]], path[:-1, -1]])
    wick = 1 + 0.15 * volatility[:, None] * np.abs(random.standard_normal((hours, 2)))
    perpetual = _candle(begin, path, wick, coin.tick)
    spot_path = _on_tick(path / (1 + positions.premium[:, None]), coin.spot_tick)
    spot_begin = np.concatenate([[spot_path[0, 0]], spot_path[:-1, -1]])
    spot = _candle(spot_begin, spot_path, wick, coin.spot_tick).add_prefix("spot_")

    pressure = 0.06 * np.tanh(returns / (1.5 * volatility))
    frame = pd.concat([perpetual, spot], axis=1)
    for prefix, share in (("", 1.0), ("spot_", 0.33)):
        typical = frame[[f"{prefix}high", f"{prefix}low", f"{prefix}close"]].mean(axis=1).to_numpy()
        own = np.exp(0.12 * random.standard_normal(hours))
        base = _on_tick(share * coin.volume_usd * volume * own / typical, coin.lot)
        taker = np.clip(0.5 + pressure + 0.02 * random.standard_normal(hours), 0.2, 0.8)
        frame[f"{prefix}volume_base"] = base
        frame[f"{prefix}volume_usd"] = np.round(base * typical, 2)
        frame[f"{prefix}trades"] = np.maximum(1, np.round(base * typical / coin.trade_usd)).astype(np.int64)
        frame[f"{prefix}taker_buy_base"] = _on_tick(base * taker, coin.lot)
        frame[f"{prefix}taker_buy_usd"] = np.round(base * taker * typical, 2)
    coins_open = coin.open_interest_usd / coin.anchors[0] * positions.open_interest
    reach = np.stack([1 - frame["low"] / frame["open"], frame["high"] / frame["open"] - 1], axis=1)
    longs, shorts = _liquidated(random, coins_open * frame["close"].to_numpy(), positions.crowd, reach, coin.volatility)
    jitter = random.standard_normal((hours, 3))
    account_share = 0.5 + coin.long_lean + 0.2 * positions.crowd + 0.004 * jitter[:, 0]
    top_share = 0.52 + 0.8 * coin.long_lean + 0.12 * positions.crowd + 0.004 * jitter[:, 1]
    position_share = 0.52 + 0.5 * coin.long_lean + 0.06 * positions.crowd + 0.003 * jitter[:, 2]
    bought = frame["taker_buy_base"] / frame["volume_base"]
    frame = frame.assign(
        hour=pd.date_range(START - pd.Timedelta(hours=_WARM_UP), periods=hours, freq="h", unit="us"),
        crowd=positions.crowd,
        premium=positions.premium,
        open_interest_base=_on_tick(coins_open, coin.lot),
        account_ratio=np.round(account_share / (1 - account_share), 4),
        top_account_ratio=np.round(top_share / (1 - top_share), 4),
        top_position_ratio=np.round(position_share / (1 - position_share), 4),
        taker_ratio=np.round(bought / (1 - bought), 4),
        long_liquidated_usd=np.round(longs, 2),
        short_liquidated_usd=np.round(shorts, 2),
        funding_rate=_funding(positions.premium),
    )
    return frame, path


def _candle(begin: Floats, path: Floats, wick: Floats, tick: float) -> pd.DataFrame:
    high = np.maximum(path.max(axis=1), begin) * wick[:, 0]
    low = np.minimum(path.min(axis=1), begin) / wick[:, 1]
    return pd.DataFrame({"open": begin, "high": _on_tick(high, tick), "low": _on_tick(low, tick), "close": path[:, -1]})


def _funding(premium: Floats) -> Floats:
    """The rate that would be settled at each hour's start: mean premium of the eight hours before, a fraction.

    Binance's rule: premium + clamp(0.01 % - premium, -0.05 %, 0.05 %), so that calm markets pay 0.01 %.
    """
    mean = pd.Series(premium).rolling(8).mean().shift(1).fillna(0.0).to_numpy()
    return np.round(mean + np.clip(0.0001 - mean, -0.0005, 0.0005), 8)

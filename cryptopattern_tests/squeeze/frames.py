"""Small frames of the tables that the squeeze package takes, made from the few numbers that a test is about."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.storage.schemas import (
    LIQUIDATION_LEVELS,
    LIQUIDATION_READINGS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
    SQUEEZE_ANALYSES,
)

Numbers = Sequence[float] | npt.NDArray[np.float64]


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def hours(start: datetime, count: int) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="h").as_unit("us")


def snapshots(start: datetime, prices: Mapping[str, Numbers], **columns: Any) -> pd.DataFrame:
    """Hourly snapshots from `start` on; a column given by name is one value for all, or one for each row in order.

    Only the columns that an analysis is made from are there: so a test fails when it begins to use another.
    """
    frames = [
        pd.DataFrame({"hour": hours(start, len(series)), "symbol": symbol, "average_price": np.asarray(series, float)})
        for symbol, series in prices.items()
    ]
    frame = pd.concat(frames, ignore_index=True)
    defaults: dict[str, Any] = {
        "volume_change_24h_pct": np.nan,
        "open_interest_change_24h_pct": np.nan,
        "funding_percentile": np.nan,
        "price_change_1h_pct": np.nan,
        "venues": "binance:perpetual",
        "outlier_venues": "",
    }
    texts = dict.fromkeys(("symbol", "venues", "outlier_venues"), "str")
    return frame.assign(**(defaults | columns)).astype(texts)


def reading(captured_at: str | datetime, symbol: str, short_pct: float, **more: Any) -> dict[str, Any]:
    """One reading; longs have the rest of the 100 percent."""
    captured = pd.Timestamp(captured_at) if isinstance(captured_at, datetime) else utc(captured_at)
    return {
        "hour": captured.floor("h"),
        "sha256": "0" * 64,
        "symbol": symbol,
        "captured_at": captured,
        "image_type": "liquidation_distribution_all",
        "long_pct": round(100 - short_pct, 10),
        "short_pct": short_pct,
        "method": "bar",
        "confidence": 0.99,
    } | more


def readings(*rows: dict[str, Any]) -> pd.DataFrame:
    return LIQUIDATION_READINGS.conform(rows)


def liquidations(*rows: tuple[str, str, str, float, float], span_hours: int = 1) -> pd.DataFrame:
    """Rows of hour, symbol, venue, longs and shorts liquidated in USD; all of one span."""
    return REALISED_LIQUIDATIONS.conform(
        {
            "hour": utc(hour),
            "symbol": symbol,
            "venue": venue,
            "long_liquidated_usd": longs,
            "short_liquidated_usd": shorts,
            "span_hours": span_hours,
            "completeness": "complete",
        }
        for hour, symbol, venue, longs, shorts in rows
    )


def levels(captured_at: str | datetime, symbol: str | None, prices: Numbers, **more: Any) -> pd.DataFrame:
    """One picture's levels, the strongest first; each is .1 weaker than the one before."""
    captured = pd.Timestamp(captured_at) if isinstance(captured_at, datetime) else utc(captured_at)
    return LIQUIDATION_LEVELS.conform(
        pd.DataFrame(
            {
                "hour": captured.floor("h"),
                "sha256": "0" * 64,
                "symbol": symbol,
                "captured_at": captured,
                "image_type": "price_chart_heatmap",
                "rank": np.arange(len(prices)) + 1,
                "price": np.asarray(prices, float),
                "strength": 1.0,
                "strength_share": 1 - np.arange(len(prices)) / 10,
            }
            | more
        )
    )


def candles(start: datetime, closes: Mapping[str, Numbers], **columns: Any) -> pd.DataFrame:
    """Hourly candles from `start` on, none where a close is NaN; high and low are those of open and close."""
    frames = []
    for symbol, series in closes.items():
        close = np.asarray(series, float)
        opened = np.concatenate([close[:1], close[:-1]])
        frame = pd.DataFrame(
            {
                "hour": hours(start, len(close)),
                "symbol": symbol,
                "venue": "binance",
                "market": "perpetual",
                "instrument": f"{symbol}USDT",
                "open": opened,
                "high": np.fmax(opened, close),
                "low": np.fmin(opened, close),
                "close": close,
                "volume_base": 1.0,
                "volume_usd": close,
            }
        )
        frames.append(frame.assign(**columns)[np.isfinite(close)])
    return MARKET_CANDLES.conform(pd.concat(frames, ignore_index=True))


def claims(start: datetime, types: Mapping[str, Sequence[str]], probability: float = 50.0) -> pd.DataFrame:
    """Analyses that name a type for each hour from `start` on."""
    frames = [
        pd.DataFrame({"hour": hours(start, len(named)), "symbol": symbol, "squeeze_type": list(named)})
        for symbol, named in types.items()
    ]
    frame = pd.concat(frames, ignore_index=True).assign(
        price=1.0,
        probability=probability,
        direction_confidence=50.0,
        severity="MODERATE",
        estimated_timeframe="3-7 days",
        risk_level="LOW_CONFIDENCE",
        signal_count=1,
        market_sources="binance:perpetual",
    )
    return SQUEEZE_ANALYSES.conform(frame)


def walk(seed: int, length: int, sigma: float = 0.01, start: float = 100.0) -> npt.NDArray[np.float64]:
    """A driftless geometric random walk."""
    steps = np.random.default_rng(seed).normal(0, sigma, length)
    return start * np.exp(np.cumsum(steps))

"""Pictures show what the rows say, are small, and the same for the same rows."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cryptopattern_pipelines import plots

HOUR = timedelta(hours=1)
START = datetime(2024, 8, 1, tzinfo=UTC)


def prices(*symbols: str, hours: int = 200) -> pd.DataFrame:
    hour = [START + n * HOUR for n in range(hours)]
    wave = 100 + np.sin(np.arange(hours) / 9)
    return pd.concat([pd.DataFrame({"hour": hour, "symbol": symbol, "average_price": wave}) for symbol in symbols])


def events(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "symbol": symbol,
                "squeeze_type": kind,
                "started_at": START + 50 * HOUR,
                "ended_at": START + 90 * HOUR,
            }
            for symbol, kind in rows
        ],
        columns=["symbol", "squeeze_type", "started_at", "ended_at"],
    )


def rates(verdict: str, rate: float = 55.0) -> pd.DataFrame:
    row = {
        "symbol": "BTC", "timeframe": "24h", "side": "long", "win_rate_pct": rate, "interval_low_pct": rate - 3,
        "interval_high_pct": rate + 3, "base_rate_pct": 40.0, "effective_sample_size": 900, "verdict": verdict,
    }  # fmt: skip
    return pd.DataFrame([row, {**row, "side": "short", "win_rate_pct": None, "verdict": "NO_DATA"}])


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def greenish(png: bytes) -> int:
    red, green, blue = np.moveaxis(pixels(png), 2, 0)
    return int(((green > red + 15) & (green > blue + 3)).sum())


def reddish(png: bytes) -> int:
    red, green, _ = np.moveaxis(pixels(png), 2, 0)
    return int((red > green + 30).sum())


def test_a_squeeze_is_shaded_by_its_side_on_its_symbol() -> None:
    calm = plots.squeezes(prices("BTC"), events())
    up = plots.squeezes(prices("BTC"), events(("BTC", "SHORT_SQUEEZE")))
    down = plots.squeezes(prices("BTC"), events(("BTC", "LONG_SQUEEZE")))
    assert greenish(calm) == reddish(calm) == 0
    assert greenish(up) > 2000 > reddish(up)
    assert reddish(down) > 2000 > greenish(down)


def test_symbols_with_squeezes_are_shown_before_others() -> None:
    many = [f"C{n}" for n in range(9)]
    shown = plots.squeezes(prices(*many), events(("C8", "LONG_SQUEEZE")))
    assert reddish(shown) > 1000
    assert len(shown) < 60_000


def test_an_edge_is_told_from_none_by_its_colour() -> None:
    assert greenish(plots.win_rates(rates("EDGE"))) > greenish(plots.win_rates(rates("NO_EDGE")))


@pytest.mark.parametrize(
    "draw", [lambda: plots.squeezes(prices("BTC"), events()), lambda: plots.win_rates(rates("EDGE"))]
)
def test_the_same_rows_give_the_same_bytes(draw: Callable[[], bytes]) -> None:
    assert draw() == draw()


def test_nothing_to_show_is_a_picture_all_the_same() -> None:
    for png in (plots.squeezes(prices("BTC").head(0), events()), plots.win_rates(rates("EDGE").head(0))):
        assert Image.open(io.BytesIO(png)).format == "PNG"

"""The words that go with the sample: what it is, how it was made, and what was planted, with measured figures."""

from pathlib import Path

import numpy as np
import pandas as pd

from cryptopattern_tests.samples.archive import LIQUIDATIONS, METRICS, SPOT
from cryptopattern_tests.samples.market import BUILD_UP_HOURS, COINS, DAYS, PLANTED, SEED, START, Market, Planted

MARKER = "SIMULATED.txt"
_MARKER_TEXT = """\
Everything in this folder is simulated. The prices, volumes, funding rates, open interest, liquidations and
screenshots are of no real market: code of this project made them from a random seed. See README.md.
"""
_FALSE_ALARM_HOURS = 6


def write_words(market: Market, to: Path) -> None:
    """Write `SIMULATED.txt` and `README.md`."""
    (to / MARKER).write_text(_MARKER_TEXT, newline="\n")
    (to / "README.md").write_text(_readme(market), encoding="utf-8", newline="\n")


def measured(market: Market, planted: Planted) -> dict[str, float]:
    """What a planted build-up became in the market.

    Returns:
        `build_up_pct`: growth of open interest (coins) in the build-up, percent; and over the squeeze's hours (six
        for a false alarm) `move_pct`, from its first open to the furthest close against the crowd, `interest_pct`,
        the change of open interest, and `liquidated_usd` of the crowded side.
    """
    frame = market.hours[planted.coin]
    first = int((planted.start - START) / pd.Timedelta(hours=1))
    part = frame.iloc[first : first + (planted.hours or _FALSE_ALARM_HOURS)]
    interest = frame["open_interest_base"]
    against = part["close"].max() if planted.side == "short" else part["close"].min()
    before = interest.iloc[first - 1]
    return {
        "build_up_pct": 100 * (before / interest.iloc[first - 1 - BUILD_UP_HOURS] - 1),
        "move_pct": 100 * (against / part["open"].iloc[0] - 1),
        "interest_pct": 100 * (part["open_interest_base"].iloc[-1] / before - 1),
        "liquidated_usd": float(part[f"{planted.side}_liquidated_usd"].sum()),
    }


def _planted_table(market: Market) -> str:
    lines = [
        "| begins, UTC | coin | crowd | becomes | open interest before | price | open interest | liquidated |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for planted in sorted(PLANTED, key=lambda p: (p.start, p.coin)):
        got = measured(market, planted)
        becomes = f"{planted.side} squeeze, {planted.hours} h" if planted.move else "nothing (false alarm)"
        lines.append(
            f"| {planted.start:%Y-%m-%d %H:%M} | {planted.coin} | {planted.side} | {becomes} "
            f"| {got['build_up_pct']:+.1f} % | {got['move_pct']:+.1f} % | {got['interest_pct']:+.1f} % "
            f"| {got['liquidated_usd'] / 1e6:.1f} M USD |"
        )
    return "\n".join(lines)


def _coins_table(market: Market) -> str:
    lines = [
        "| coin | first open | last close | lowest | highest | hourly return, standard deviation | its kurtosis |",
        "|---|---|---|---|---|---|---|",
    ]
    for coin in COINS:
        frame = market.hours[coin.name]
        returns = np.log(frame["close"]).diff()
        lines.append(
            f"| {coin.name} | {frame['open'].iloc[0]:,.2f} | {frame['close'].iloc[-1]:,.2f} "
            f"| {frame['low'].min():,.2f} | {frame['high'].max():,.2f} | {100 * returns.std():.2f} % "
            f"| {returns.kurt():.1f} |"
        )
    return "\n".join(lines)


def _readme(market: Market) -> str:
    end = START + pd.Timedelta(days=DAYS)
    coins = ", ".join(coin.name for coin in COINS)
    squeezes = sum(1 for planted in PLANTED if planted.move)
    return f"""\
# The bundled sample: simulated, of no real market

Everything here was made by code of this project (`cryptopattern_tests/samples`, seed {SEED}), to show the whole
lineage without any account, download or picture of others. Written anew, file for file the same, by

    python -m cryptopattern_tests.samples --to data/samples

| what | where |
|---|---|
| hourly market of {coins}, {START:%Y-%m-%d} to {end:%Y-%m-%d} UTC (end exclusive) | `data/` |
| screenshots, rendered from that market | `landing/` |
| what each screenshot shows | `truth.jsonl` |

**Rates found here say nothing of real markets.** Squeezes and false alarms stand in it because they were put there.

## The market

It has the layout of Binance's public archive (zip and CHECKSUM), so this folder serves as `CRYPTOPATTERN_ARCHIVE`.
Returns follow a common and an own GARCH(1,1) factor with Student's t shocks and jumps, in regimes of different
volatility and drift; price levels are like those of that season. Volume rises with volatility; the crowd follows
the last day's move; funding follows the crowd by Binance's formula; open interest builds up with the crowd and falls
when the price runs; liquidations cascade when it runs far.

{_coins_table(market)}

- Candles of the perpetuals of all three, of spot for {" and ".join(SPOT)} (no header; microseconds from 2025-01).
- Funding of all three, each 8 hours.
- Hourly `metrics` of {" and ".join(METRICS)} from the second hour on, and `liquidationSnapshot` of
  {" and ".join(LIQUIDATIONS)}. One coin stays without them, to keep the files few and to show what is flagged then.
- Unlike the genuine archive: the last month ends with the sample; every liquidation order stands once (the genuine
  files repeat each, and end in 2024); metrics are hourly, not each 5 minutes.

## What is planted

In the {BUILD_UP_HOURS} hours before each line a crowd builds up: accounts and funding lean its way, open interest
grows. {squeezes} of {len(PLANTED)} are squeezed, {len(PLANTED) - squeezes} are not. Figures are measured over the
squeeze's hours, six for a false alarm; the price is the furthest close against the crowd.

{_planted_table(market)}

The last squeeze is still running when the sample ends.

## The screenshots

Drawn with Pillow and its built-in font (Aileron, CC0), SIMULATED on each; titles and layout follow the charts that
traders know, so that a reader made for those reads these. Names bear the time of capture, UTC. Shares, levels and
prices of {coins} are those of the simulated positions at that time; other coins on the distribution charts have no
market behind them. One picture lies there twice under two names, and one file is no picture at all: the first is to
become one row, the second is to be set aside with a reason. `truth.jsonl` has a line a picture, the heatmap's levels
at its right edge.
"""

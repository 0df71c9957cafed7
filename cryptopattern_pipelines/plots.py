"""Small pictures for the UI and the documents: PNG bytes, the same for the same rows.

Matplotlib is imported when something is drawn: it takes longer to load than most steps take to run.
"""

import io
from typing import TYPE_CHECKING

import pandas as pd
from PIL import Image

from cryptopattern_pipelines.for_people import timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from cryptopattern_pipelines.squeeze.scores import Reliability

_SYMBOLS_SHOWN = 6
_COLOURS = 24
_LONG_COLOUR, _SHORT_COLOUR, _INK, _PALE = "#1a7f5a", "#b3322c", "#222222", "#9a9a9a"
_COLOUR = {"SHORT_SQUEEZE": _LONG_COLOUR, "LONG_SQUEEZE": _SHORT_COLOUR}


def squeezes(prices: pd.DataFrame, events: pd.DataFrame) -> bytes:
    """Each symbol's price (EXCHANGE_SNAPSHOTS: hour, symbol, average_price), its squeezes shaded; PNG.

    Args:
        prices: the hours to show; symbols with squeezes come first, six at most.
        events: SQUEEZE_EVENTS; those that lie within the prices are drawn.
    """
    squeezed = sorted(events["symbol"].unique())
    others = [symbol for symbol in sorted(prices["symbol"].unique()) if symbol not in squeezed]
    shown = [symbol for symbol in [*squeezed, *others] if (prices["symbol"] == symbol).any()][:_SYMBOLS_SHOWN]
    figure = _figure(1 + 1.1 * len(shown))
    for place, symbol in enumerate(shown, start=1):
        axes = figure.add_subplot(len(shown), 1, place)
        of_symbol = prices[prices["symbol"] == symbol].sort_values("hour")
        # A price is the close of its hour.
        axes.plot(of_symbol["hour"] + pd.Timedelta(hours=1), of_symbol["average_price"], color=_INK, linewidth=0.9)
        for event in events[events["symbol"] == symbol].itertuples():
            axes.axvspan(event.started_at, event.ended_at, color=_COLOUR[event.squeeze_type], alpha=0.35, linewidth=0)
        axes.set_ylabel(symbol, rotation=0, ha="right", va="center", fontsize=8)
        axes.tick_params(labelsize=6, labelbottom=place == len(shown))
        axes.margins(x=0)
    figure.suptitle("price, USD; shorts bought in: green, longs sold off: red; UTC", fontsize=7, x=0.01, ha="left")
    return _png(figure)


def win_rates(rates: pd.DataFrame) -> bytes:
    """One day's WIN_RATES: each rate with its 95 % interval, its base rate and its sample size beside it; PNG."""
    known = rates.dropna(subset=["win_rate_pct"]).sort_values(["symbol", "timeframe", "side"])
    figure = _figure(1 + 0.17 * max(len(known), 1))
    axes = figure.add_subplot()
    places = range(len(known))
    low, high = (known["win_rate_pct"] - known["interval_low_pct"], known["interval_high_pct"] - known["win_rate_pct"])
    edge = known["verdict"].isin(["EDGE", "ADVERSE"])
    for mask, colour in ((edge, _LONG_COLOUR), (~edge, _PALE)):
        at = [place for place, shown in zip(places, mask, strict=True) if shown]
        errors = [low[mask].clip(lower=0), high[mask].clip(lower=0)]
        axes.errorbar(known["win_rate_pct"][mask], at, xerr=errors, fmt="o", markersize=3, color=colour, linewidth=1)
    axes.plot(known["base_rate_pct"], places, linestyle="", marker="|", markersize=8, color=_INK)
    names = [
        f"{row.symbol} {timeframe(row.timeframe)} {row.side}, n={row.effective_sample_size}"
        for row in known.itertuples()
    ]
    axes.set_yticks(list(places), names, fontsize=6)
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.tick_params(labelsize=6)
    axes.set_xlabel(
        "won, percent, with 95 % interval; | is the base rate; green: the interval leaves it out", fontsize=7
    )
    return _png(figure)


def _figure(height: float) -> "Figure":
    """A figure 7 inches wide."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (see above)

    return Figure(figsize=(7, height), dpi=100, layout="constrained")


def _png(figure: "Figure") -> bytes:
    """The figure's bytes: few colours, since they lie in the event log, and no version of a program."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()


def reliability(title: str, curves: "Mapping[str, Reliability]") -> bytes:
    """What was stated against what came, a curve for each name, over the diagonal of a perfect one; PNG."""
    figure = _figure(3.6)
    axes = figure.add_subplot()
    shares = [share for curve in curves.values() for share in (*curve.chance.tolist(), *curve.came.tolist())]
    top = 100 * min(1.0, 1.05 * max(shares, default=1.0))
    axes.plot([0, top], [0, top], color=_PALE, linewidth=0.8)
    for (name, curve), marker in zip(curves.items(), "o^sdv<>p", strict=False):
        axes.plot(100 * curve.chance, 100 * curve.came, marker=marker, markersize=3, linewidth=0.9, label=name)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_aspect("equal")
    axes.set_xlabel("stated, %", fontsize=7)
    axes.set_ylabel("came, %", fontsize=7)
    axes.tick_params(labelsize=6)
    if curves:
        axes.legend(fontsize=6, frameon=False)
    axes.set_title(title, fontsize=8)
    return _png(figure)

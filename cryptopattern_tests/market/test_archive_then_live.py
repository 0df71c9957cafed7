"""The archive first, REST for what it lacks: which hours are asked for, and whose word counts."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from cryptopattern_pipelines.market.archive_then_live import METRICS_REACH, ArchiveThenLive
from cryptopattern_pipelines.market.listings import Listing, instruments_of
from cryptopattern_pipelines.market.live import NoVenueError
from cryptopattern_pipelines.market.source import Problem
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
    TableSchema,
)

HOUR = timedelta(hours=1)
START = datetime(2026, 8, 5, tzinfo=UTC)
NOW = START + 10 * HOUR


class Told:
    """A source that has some hours of some coins, and remembers what it was asked."""

    def __init__(self, rows: list[dict[str, Any]], *, down: bool = False) -> None:
        self.rows = rows
        self.down = down
        self.asked: list[tuple[str, int, int]] = []
        self.problems: list[Problem] = []

    def _answer(self, table: TableSchema, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        names = sorted(symbols)
        self.asked.append((",".join(names), (start - START) // HOUR, (end - START) // HOUR))
        if self.down:
            raise NoVenueError("no venue answered")
        mine = [row for row in self.rows if row["symbol"] in names and start <= row["hour"] < end]
        return table.conform(pd.DataFrame(mine, columns=[n for n in table.names if any(n in row for row in mine)]))

    def candles(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        return self._answer(MARKET_CANDLES, symbols, start, end)

    def derivatives_metrics(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        return self._answer(DERIVATIVES_METRICS, symbols, start, end)

    def realised_liquidations(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        return self._answer(REALISED_LIQUIDATIONS, symbols, start, end)

    def listing(self, end: datetime) -> Listing:
        rows = [(row["venue"], row["market"], row["instrument"], row["hour"], None) for row in self.rows]
        return Listing(instruments_of(rows), START - 24 * HOUR, START, START, frozenset({"binance:spot"}))


def candle(hour: int, market: str, *, coin: str = "BTC", close: float = 1.0, venue: str = "binance") -> dict[str, Any]:
    return {
        "hour": START + hour * HOUR, "symbol": coin, "venue": venue, "market": market, "instrument": "x", "open": close,
        "high": close, "low": close, "close": close, "volume_base": 1.0, "volume_usd": 1.0,
    }  # fmt: skip


def both(hours: Iterable[int], **more: Any) -> list[dict[str, Any]]:
    return [candle(hour, market, **more) for hour in hours for market in ("perpetual", "spot")]


def figures(hour: int, **told: float) -> dict[str, Any]:
    return {"hour": START + hour * HOUR, "symbol": "BTC", "venue": "binance", "instrument": "x", **told}


def test_only_lacking_hours_are_asked_for_and_the_archive_comes_first() -> None:
    archive = Told([*both([0, 1, 4]), candle(2, "spot")])
    live = Told([*both(range(6), close=2.0), *both(range(6), close=3.0, venue="okx")])
    rows = ArchiveThenLive(archive, live, now=NOW).candles(["btcusdt"], START, START + 6 * HOUR)
    assert live.asked == [("BTC", 2, 4), ("BTC", 5, 6)]
    assert rows.sort_values(["market", "hour"])["close"].tolist() == [1, 1, 2, 2, 1, 2, 1, 1, 1, 2, 1, 2]
    assert set(rows["venue"]) == {"binance"}


def test_an_hour_is_the_same_alone_and_in_a_range() -> None:
    archive, live = Told([*both([0, 1]), candle(2, "spot")]), Told(both(range(4), close=2.0))
    source = ArchiveThenLive(archive, live, now=NOW)
    whole = source.candles(["BTC"], START, START + 4 * HOUR)
    alone = [source.candles(["BTC"], START + n * HOUR, START + (n + 1) * HOUR) for n in range(4)]
    pd.testing.assert_frame_equal(whole, pd.concat(alone, ignore_index=True))


def test_figures_are_filled_one_by_one_and_only_as_far_as_the_venue_reaches() -> None:
    far = -int(METRICS_REACH / HOUR)
    archive = Told([figures(far, funding_rate=0.1), figures(0, funding_rate=0.1)])
    live = Told([figures(n, funding_rate=0.2, open_interest_base=5.0) for n in (far, 0)])
    source = ArchiveThenLive(archive, live, now=NOW)
    [row] = source.derivatives_metrics(["BTC"], START, START + HOUR).to_dict("records")
    assert (row["funding_rate"], row["open_interest_base"]) == (0.1, 5.0)
    [row] = source.derivatives_metrics(["BTC"], START + far * HOUR, START + (far + 1) * HOUR).to_dict("records")
    assert (row["funding_rate"], pd.isna(row["open_interest_base"])) == (0.1, True)
    assert live.asked == [("BTC", 0, 1)]


def test_an_archive_that_has_everything_asks_nobody() -> None:
    live = Told([], down=True)
    rows = ArchiveThenLive(Told(both([0])), live, now=NOW).candles(["BTC"], START, START + HOUR)
    assert (len(rows), live.asked) == (2, [])


def test_venues_that_do_not_answer_are_told_or_are_an_error_where_the_archive_has_nothing() -> None:
    source = ArchiveThenLive(Told(both([0])), Told([], down=True), now=NOW)
    assert len(source.candles(["BTC"], START, START + 2 * HOUR)) == 2
    [problem] = source.problems
    assert "lacks market_candles from 2026-08-05 01:00 to 2026-08-05 02:00: no venue answered" in str(problem)
    with pytest.raises(NoVenueError):
        source.candles(["BTC"], START + HOUR, START + 2 * HOUR)


def test_a_coin_that_only_the_archive_lacks_is_no_problem() -> None:
    archive, live = Told([]), Told(both([0]))
    archive.problems.append(Problem("binance", "", "BTC", "the archive has no market_candles of these hours"))
    archive.problems.append(Problem("binance", "", "NOPE", "the archive has no market_candles of these hours"))
    source = ArchiveThenLive(archive, live, now=NOW)
    assert len(source.candles(["BTC", "NOPE"], START, START + HOUR)) == 2
    assert [problem.instrument for problem in source.problems] == ["NOPE"]


def test_the_archive_tells_what_is_listed_until_its_end_and_the_venues_after() -> None:
    source = ArchiveThenLive(Told(both([0])), Told(both([0, 1])), now=NOW)
    assert len(source.listing(START).instruments) == 2
    assert len(source.listing(START + HOUR).instruments) == 4

"""Binance's public archive of market history as a source: its layout, its columns and its known faults.

https://github.com/binance/binance-public-data describes it. USD-M klines, funding and liquidations come with a
header line in newer files and without in older ones, spot klines without; times are milliseconds, in spot files
microseconds from 2025-01-01 on. Known faults, by the issues of that repository, and what is done:

- Rows that stand twice (203, 259, 484): the last of a time counts, a liquidation's line once.
- Prices of 0, open interest of 0: what failed, not what was; left out (`hourly.py`).
- `metrics` bear the end of their five minutes in files of days before 2026-06-25, the start since (491).
- Spot months that differ from their days and from REST on 2020-12-21 and 2021-09-29 (475): the days count.
- Months that are missing or not over (292, 321, 362): their days stand in.
- Hours that are missing (169, 262, 335): no row; `CRYPTOPATTERN_MARKET_SOURCE=archive+live` fills what REST still has.
"""

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv

from cryptopattern_pipelines.market import hourly
from cryptopattern_pipelines.market.answers import as_times
from cryptopattern_pipelines.market.archive_files import ArchiveError, Files, FolderFiles, MirrorFiles, NoListingError
from cryptopattern_pipelines.market.listings import Listing, instruments_of
from cryptopattern_pipelines.market.source import Problem, SymbolError, hours_between
from cryptopattern_pipelines.market.symbols import (
    MARKETS,
    Instrument,
    Market,
    binance_instrument,
    binance_instruments,
)
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
    TIME,
    TableSchema,
)

VENUE = "binance"

_WHOLE = pyarrow.int64()
_REAL = pyarrow.float64()
_TEXT = pyarrow.string()
_MOMENT = pyarrow.timestamp("us")

# Column names as the archive's own headers have them; `count` and the taker columns are 0 where not known.
KLINES = {
    "open_time": _WHOLE,
    "open": _REAL,
    "high": _REAL,
    "low": _REAL,
    "close": _REAL,
    "volume": _REAL,
    "close_time": _WHOLE,
    "quote_volume": _REAL,
    "count": _WHOLE,
    "taker_buy_volume": _REAL,
    "taker_buy_quote_volume": _REAL,
    "ignore": _TEXT,
}
FUNDING = {"calc_time": _WHOLE, "funding_interval_hours": _WHOLE, "last_funding_rate": _REAL}
METRICS = {
    "create_time": _MOMENT,
    "symbol": _TEXT,
    "sum_open_interest": _REAL,
    "sum_open_interest_value": _REAL,
    "count_toptrader_long_short_ratio": _REAL,
    "sum_toptrader_long_short_ratio": _REAL,
    "count_long_short_ratio": _REAL,
    "sum_taker_long_short_vol_ratio": _REAL,
}
LIQUIDATIONS = {
    "time": _WHOLE,
    "side": _TEXT,
    "order_type": _TEXT,
    "time_in_force": _TEXT,
    "original_quantity": _REAL,
    "price": _REAL,
    "average_price": _REAL,
    "order_status": _TEXT,
    "last_fill_quantity": _REAL,
    "accumulated_fill_quantity": _REAL,
}
Fields = dict[str, pyarrow.DataType]

_KLINES_COLUMNS = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume_base",
    "quote_volume": "volume_usd",
    "count": "trades",
    "taker_buy_volume": "taker_buy_volume_base",
}

_HOUR = 3_600_000_000

_SPANS = ("monthly", "daily")

# Days on which spot months are wrong and their days right.
# https://github.com/binance/binance-public-data/issues/475
_WRONG_IN_SPOT_MONTHS = ("2020-12-21", "2021-09-29")

# Tasks are handed over in bundles: one for each file costs as much as reading it.
_LARGEST_BUNDLE = 64

# Of the largest kind, a day of five-minute metrics, these are some 12 MB.
_FILES_AT_ONCE = 500

_FOLDERS = {"spot": "data/spot", "perpetual": "data/futures/um"}


@dataclass(frozen=True)
class _Text:
    """One file's lines without its header, and where it lies."""

    path: str
    lines: bytes


# An instrument's files by their kind.
_Texts = dict[str, list[_Text]]


class ArchiveSource:
    """Candles, derivatives metrics and realised liquidations from the archive.

    A month's file is preferred; where it isn't there, its days' files are read. A file that isn't there is data
    that isn't there; a file that differs from its CHECKSUM or has none is an error.

    Args:
        root: the archive's folder (the one that holds `data/`) or a mirror's address.
        cache: folder in which files from a mirror are kept by their hash; a mirror needs one.
        snapshot_delay: from the time of an open-interest snapshot until it is published.
        longest_snapshot_age: of an open-interest snapshot at an hour's end.
        threads: files read at once; by default 4 from a folder, 16 from a mirror.

    Raises:
        ArchiveError: the folder isn't there, or a mirror is given without a cache.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        cache: str | Path | None = None,
        snapshot_delay: timedelta = hourly.PUBLISHING_DELAY,
        longest_snapshot_age: timedelta = hourly.LONGEST_SNAPSHOT_AGE,
        threads: int | None = None,
    ) -> None:
        self.files: Files
        if str(root).startswith(("http://", "https://")):
            if cache is None:
                raise ArchiveError(f"a mirror ({root}) needs a folder for what is fetched: give cache=")
            self.files = MirrorFiles(str(root), Path(cache))
            self.threads = threads or 16
        else:
            self.files = FolderFiles(Path(root))
            self.threads = threads or 4
        self.snapshot_delay = snapshot_delay
        self.longest_snapshot_age = longest_snapshot_age
        self.problems: list[Problem] = []

    def candles(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of MARKET_CANDLES, spot and perpetual; see `MarketSource.candles`.

        Raises:
            ArchiveError: a file is broken, differs from its CHECKSUM, or can't be fetched.
        """
        hours = hours_between(start, end)
        wanted = list(symbols)

        def rows(instrument: Instrument, texts: _Texts) -> pd.DataFrame:
            return _candles(self._table(texts["klines"], KLINES), instrument, hours)

        return self._rows(
            MARKET_CANDLES,
            [choice for market in MARKETS for choice in binance_instruments(wanted, market)],
            lambda instrument: {"klines": _klines(instrument, _days(hours))},
            rows,
        )

    def derivatives_metrics(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of DERIVATIVES_METRICS; see `MarketSource.derivatives_metrics`.

        Raises:
            ArchiveError: a file is broken, differs from its CHECKSUM, or can't be fetched.
        """
        hours = hours_between(start, end)
        # A file of the older layout holds its day from 00:05 to 00:00 of the next.
        days = _days(hours, back=self.longest_snapshot_age + hourly.PERIOD)
        months = _months(_days(hours, back=hourly.LONGEST_FUNDING_INTERVAL))

        def paths(instrument: Instrument) -> dict[str, list[list[str]]]:
            return {
                "funding": [[_funding(instrument, month)] for month in months],
                "metrics": [[_daily("metrics", instrument, day)] for day in days],
            }

        def rows(instrument: Instrument, texts: _Texts) -> pd.DataFrame:
            return hourly.metrics_rows(
                _settled(self._table(texts["funding"], FUNDING)),
                self._snapshots(texts["metrics"]),
                hours,
                instrument,
                VENUE,
                delay=self.snapshot_delay,
                longest_age=self.longest_snapshot_age,
            )

        return self._rows(DERIVATIVES_METRICS, binance_instruments(symbols, "perpetual"), paths, rows)

    def realised_liquidations(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of REALISED_LIQUIDATIONS; see `MarketSource.realised_liquidations`.

        The archive had these for USD-M from 2023-06-25 to 2024-03-31 and has taken them away since
        (https://github.com/binance/binance-public-data/issues/337 and 420); a copy of it may still hold them.
        They are the public stream's orders, at most one a second, hence `sampled`.

        Raises:
            ArchiveError: a file is broken, differs from its CHECKSUM, or can't be fetched.
        """
        hours = hours_between(start, end)
        days = _days(hours)

        def rows(instrument: Instrument, texts: _Texts) -> pd.DataFrame:
            orders = self._table(texts["orders"], LIQUIDATIONS)
            return _liquidations(orders, _covered(texts["orders"], hours), instrument)

        return self._rows(
            REALISED_LIQUIDATIONS,
            binance_instruments(symbols, "perpetual"),
            lambda instrument: {"orders": [[_daily("liquidationSnapshot", instrument, day)] for day in days]},
            rows,
        )

    def listing(self, end: datetime) -> Listing:
        """What the archive has hourly candles of, whatever days are asked for.

        Each instrument since its first candle and until its last; those whose candles end within a day of their
        market's newest trade on. A mirror that doesn't list its files is told in `problems`, and speaks of no day.

        Raises:
            ArchiveError: the archive can't be listed now, or a file is broken.
        """
        told = []
        with ThreadPoolExecutor(self.threads) as pool:
            for market in MARKETS:
                folder = _FOLDERS[market]
                try:
                    found = {each for span in _SPANS for each in self.files.names(f"{folder}/{span}/klines")}
                except NoListingError as error:
                    self.problems.append(Problem(VENUE, market, "", str(error)))
                    continue
                instruments = [it for it in (_instrument(name, market) for name in sorted(found)) if it is not None]
                for instrument, span in zip(instruments, pool.map(self._span, instruments), strict=True):
                    if span is not None:
                        told.append((market, instrument.name, *span))
        newest = {market: max(until for m, _, _, until in told if m == market) for market in {m for m, *_ in told}}
        last = max((until for _, _, _, until in told), default=pd.Timestamp(0, tz="UTC")).floor("D")
        return Listing(
            instruments_of(
                (VENUE, market, name, since, None if until >= newest[market] - timedelta(days=1) else until)
                for market, name, since, until in told
            ),
            start=min((since for _, _, since, _ in told), default=last).floor("D").to_pydatetime(),
            end=last.to_pydatetime(),
            asked=last.to_pydatetime(),
            markets=frozenset(f"{VENUE}:{market}" for market in newest),
        )

    def _span(self, instrument: Instrument) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """When an instrument's first candle begins and its last one ends; None without a candle."""
        paths: list[tuple[str, str]] = []
        for span in _SPANS:
            folder = f"{_FOLDERS[instrument.market]}/{span}/klines/{instrument.name}/1h"
            prefix = f"{instrument.name}-1h-"
            names = [name for name in self.files.names(folder) if name.startswith(prefix) and name.endswith(".zip")]
            paths += [(name.removeprefix(prefix).removesuffix(".zip"), f"{folder}/{name}") for name in names]
        if not paths:
            return None
        # A month sorts before its days: the first by its beginning, the last by its last day.
        first, last = min(paths)[1], max(paths, key=lambda path: (path[0][:7], len(path[0]) == 7, path[0]))[1]
        texts = [text for text in map(self._text, dict.fromkeys([first, last])) if text is not None]
        begun = hourly.microseconds(self._table(texts, KLINES)["open_time"].to_numpy())
        if not len(begun):
            return None
        since, until = as_times(np.array([begun.min(), begun.max() + _HOUR]))
        return since, until

    def _rows(
        self,
        table: TableSchema,
        coins: list[list[Instrument]],
        paths: Callable[[Instrument], dict[str, list[list[str]]]],
        rows: Callable[[Instrument, _Texts], pd.DataFrame],
    ) -> pd.DataFrame:
        """A table's rows: each coin's files are read, and its instruments' rows made into one an hour.

        Args:
            table: whose rows they are.
            coins: each coin's instruments, best first.
            paths: of an instrument, by kind of file, the places in time; at each the path of its file, and then
                of the files that stand in for it.
            rows: of an instrument and its files.
        """

        def of_coin(choice: list[Instrument], texts: dict[Instrument, _Texts]) -> pd.DataFrame:
            found = [rows(each, texts[each]) for each in choice if any(texts[each].values())]
            return hourly.one_a_coin(found, table)

        frames: list[pd.DataFrame] = []
        with ThreadPoolExecutor(self.threads) as pool:
            for batch in _batches(coins, paths):
                texts = self._read(pool, {each: paths(each) for choice in batch for each in choice})
                frames += pool.map(of_coin, batch, repeat(texts))
        wanted = {choice[0].coin for choice in coins}
        found = {choice[0].coin for choice, frame in zip(coins, frames, strict=True) if len(frame)}
        if wanted != found:
            missing = ", ".join(sorted(wanted - found))
            self.problems.append(Problem(VENUE, "", missing, f"the archive has no {table.name} of these hours"))
        filled = [frame for frame in frames if len(frame)]
        if not filled:
            return table.empty()
        return pd.concat(filled, ignore_index=True).sort_values(list(table.key), ignore_index=True)

    def _read(
        self, pool: ThreadPoolExecutor, wanted: dict[Instrument, dict[str, list[list[str]]]]
    ) -> dict[Instrument, _Texts]:
        """Each instrument's files by kind, in time's order; of a place the first file, or else all of the others."""
        places = [(each, kind, place) for each, kinds in wanted.items() for kind in kinds for place in kinds[kind]]
        best = self._texts(pool, [place[0] for _, _, place in places])
        spare = [path for (_, _, place), text in zip(places, best, strict=True) if text is None for path in place[1:]]
        others = dict(zip(spare, self._texts(pool, spare), strict=True))
        texts: dict[Instrument, _Texts] = {each: {kind: [] for kind in kinds} for each, kinds in wanted.items()}
        for (each, kind, place), text in zip(places, best, strict=True):
            stand_in = (others[path] for path in place[1:]) if text is None else (text,)
            texts[each][kind] += [found for found in stand_in if found is not None]
        return texts

    def _texts(self, pool: ThreadPoolExecutor, paths: list[str]) -> list[_Text | None]:
        size = min(_LARGEST_BUNDLE, max(1, len(paths) // (4 * self.threads)))
        bundles = (paths[begin : begin + size] for begin in range(0, len(paths), size))
        return [
            text for some in pool.map(lambda bundle: [self._text(path) for path in bundle], bundles) for text in some
        ]

    def _text(self, path: str) -> _Text | None:
        content = self.files.read(path)
        if content is None:
            return None
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return _Text(path, archive.read(archive.namelist()[0]))
        except (zipfile.BadZipFile, IndexError, NotImplementedError) as error:
            raise ArchiveError(f"{self.files.place(path)} is no zip of one file ({error}): fetch it again") from error

    def _snapshots(self, texts: list[_Text]) -> pd.DataFrame:
        """The snapshots of these days; a label says by its file's day whether it is its five minutes' end or start."""
        first = hourly.BINANCE_LABELS_START_FROM.date().isoformat()
        before = [text for text in texts if _day_of(text) < first]
        since = [text for text in texts if _day_of(text) >= first]
        found = [(self._table(some, METRICS), late) for some, late in ((before, False), (since, True)) if some]
        frames = [_snapshots(table, hourly.PERIOD if late else timedelta(0)) for table, late in found]
        return pd.concat(frames, ignore_index=True) if frames else _snapshots(self._table([], METRICS), timedelta(0))

    def _table(self, texts: list[_Text], columns: Fields) -> pd.DataFrame:
        """The rows of these files, parsed in one go."""
        if not texts:
            return pyarrow.schema(list(columns.items())).empty_table().to_pandas()
        bodies = [self._body(text, columns) for text in texts]
        try:
            return _parsed(b"".join(bodies), columns)
        except pyarrow.ArrowInvalid:
            # Which of them it was, for the message.
            for text, body in zip(texts, bodies, strict=True):
                try:
                    _parsed(body, columns)
                except pyarrow.ArrowInvalid as error:
                    raise ArchiveError(
                        f"{self.files.place(text.path)} is not as expected ({error}): fetch it again, or report it"
                    ) from error
            raise

    def _body(self, text: _Text, columns: Fields) -> bytes:
        body = text.lines if text.lines.endswith(b"\n") or not text.lines else text.lines + b"\n"
        if body[:1].isdigit() or not body:
            return body
        header, _, body = body.partition(b"\n")
        names = header.decode(errors="replace").strip().split(",")
        if names != list(columns):
            raise ArchiveError(
                f"{self.files.place(text.path)} has columns {','.join(names)}, not {','.join(columns)}: "
                "the archive has changed, report it"
            )
        return body


def _instrument(name: str, market: Market) -> Instrument | None:
    try:
        return binance_instrument(name, market)
    except SymbolError:
        return None


def _batches(
    coins: list[list[Instrument]], paths: Callable[[Instrument], dict[str, list[list[str]]]]
) -> Iterator[list[list[Instrument]]]:
    """The coins by so many at once that their files fit well into memory."""
    files = sum(len(places) for choice in coins[:1] for places in paths(choice[0]).values())
    size = max(1, _FILES_AT_ONCE // max(1, files))
    return (coins[begin : begin + size] for begin in range(0, len(coins), size))


def _days(hours: pd.DatetimeIndex, back: timedelta = timedelta(0)) -> list[str]:
    """The days that hold these hours, and the time before the first that a look back needs."""
    if hours.empty:
        return []
    return [f"{day:%Y-%m-%d}" for day in pd.date_range((hours[0] - back).floor("D"), hours[-1].floor("D"), freq="D")]


def _months(days: list[str]) -> list[str]:
    return list(dict.fromkeys(day[:7] for day in days))


def _klines(instrument: Instrument, days: list[str]) -> list[list[str]]:
    """For each month its file, then the files of the wanted days that stand in for it; and days that are right."""
    folder, name = _FOLDERS[instrument.market], instrument.name

    def path(span: str, when: str) -> str:
        return f"{folder}/{span}/klines/{name}/1h/{name}-1h-{when}.zip"

    months = [
        [path("monthly", month), *(path("daily", day) for day in days if day.startswith(month))]
        for month in _months(days)
    ]
    # Of two candles of one hour the last counts.
    better = [[path("daily", day)] for day in _WRONG_IN_SPOT_MONTHS if day in days and instrument.market == "spot"]
    return months + better


def _daily(kind: str, instrument: Instrument, day: str) -> str:
    return f"{_FOLDERS['perpetual']}/daily/{kind}/{instrument.name}/{instrument.name}-{kind}-{day}.zip"


def _funding(instrument: Instrument, month: str) -> str:
    return f"{_FOLDERS['perpetual']}/monthly/fundingRate/{instrument.name}/{instrument.name}-fundingRate-{month}.zip"


def _parsed(body: bytes, columns: Fields) -> pd.DataFrame:
    if not body:
        return pyarrow.schema(list(columns.items())).empty_table().to_pandas()
    return pyarrow.csv.read_csv(
        pyarrow.BufferReader(body),
        # The files are small and the calls many: threads pay one level up.
        read_options=pyarrow.csv.ReadOptions(column_names=list(columns), use_threads=False),
        convert_options=pyarrow.csv.ConvertOptions(column_types=columns),
    ).to_pandas()


def _candles(klines: pd.DataFrame, instrument: Instrument, hours: pd.DatetimeIndex) -> pd.DataFrame:
    begin = hourly.microseconds(klines["open_time"].to_numpy())
    off = begin % _HOUR != 0
    if off.any():
        when = as_times(begin[off])[0]
        raise ArchiveError(f"{instrument.name} has an hourly candle at {when}, not on the hour: fetch its files again")
    wanted = (begin >= hours.asi8[0]) & (begin <= hours.asi8[-1])
    columns = {name: klines[told].to_numpy()[wanted] for told, name in _KLINES_COLUMNS.items()}
    return hourly.candle_rows([(instrument, {"hour": begin[wanted], **columns})], VENUE)


def _settled(funding: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": as_times(hourly.microseconds(funding["calc_time"].to_numpy())),
            "rate": funding["last_funding_rate"],
            "interval_hours": funding["funding_interval_hours"],
        }
    )


def _snapshots(metrics: pd.DataFrame, after_label: timedelta) -> pd.DataFrame:
    """Which ratio is which: `count_` counts accounts, `sum_` positions, `toptrader` the top 20 % by margin."""
    return pd.DataFrame(
        {
            "time": metrics["create_time"].astype("datetime64[us]").dt.tz_localize("UTC") + after_label,
            "open_interest_base": metrics["sum_open_interest"],
            "open_interest_usd": metrics["sum_open_interest_value"],
            "long_short_account_ratio": metrics["count_long_short_ratio"],
            "top_account_ratio": metrics["count_toptrader_long_short_ratio"],
            "top_position_ratio": metrics["sum_toptrader_long_short_ratio"],
            "taker_volume_ratio": metrics["sum_taker_long_short_vol_ratio"],
        }
    )


def _day_of(text: _Text) -> str:
    """The day of a daily file."""
    return text.path.removesuffix(".zip")[-10:]


def _covered(texts: list[_Text], hours: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The hours of the days whose files are there."""
    days = [_day_of(text) for text in texts]
    return hours[hours.floor("D").isin(pd.DatetimeIndex(days, tz="UTC"))]


def _liquidations(orders: pd.DataFrame, hours: pd.DatetimeIndex, instrument: Instrument) -> pd.DataFrame:
    """USD by hour and side; an order that sells closes a long. An hour without orders has a row of zeros.

    The archive repeats most lines (https://github.com/binance/binance-public-data/issues/259): each counts once.
    """
    orders = orders.drop_duplicates(ignore_index=True)
    usd = orders["average_price"] * orders["accumulated_fill_quantity"]
    ordered = pd.Series(as_times(hourly.microseconds(orders["time"].to_numpy()))).dt.floor("h")

    def closed_by(side: str) -> np.ndarray:
        of_side = orders["side"] == side
        return usd[of_side].groupby(ordered[of_side]).sum().reindex(hours, fill_value=0.0).to_numpy()

    return REALISED_LIQUIDATIONS.conform(
        pd.DataFrame(
            {
                "hour": pd.Series(hours).astype(TIME),
                "symbol": instrument.coin,
                "venue": VENUE,
                "span_hours": 1,
                "long_liquidated_usd": closed_by("SELL"),
                "short_liquidated_usd": closed_by("BUY"),
                "completeness": "sampled",
            }
        )
    )

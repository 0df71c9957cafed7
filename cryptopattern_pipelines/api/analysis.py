"""Pictures of one coin, joined with what the tables know: the answer of `analyze`.

What belongs here: what is joined, and as of which hour. What does not: how pictures are read (`pictures.py`) and
squeezes told (`squeeze/`).

An analysis is that of the hour in which the newest picture was taken, by the same function and from the same rows as
the hourly run's, so that the run comes to the same numbers. Where that hour isn't over, or has no market data yet, the
newest snapshot before it takes its place, and the answer says that it is provisional.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from cryptopattern_pipelines.api.pictures import Pictures, ReadPicture, Upload
from cryptopattern_pipelines.api.queries import Asked, Database
from cryptopattern_pipelines.asking import similar_moments
from cryptopattern_pipelines.market.symbols import by_coin
from cryptopattern_pipelines.reading import frames
from cryptopattern_pipelines.reading.reading import to_dict
from cryptopattern_pipelines.resources.analysis import Analysis
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.squeeze import analyses, clusters
from cryptopattern_pipelines.squeeze.similar import NoMomentError
from cryptopattern_pipelines.squeeze.win_rates import ALL
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.rows import records
from cryptopattern_pipelines.storage.schemas import TIME

TIMEFRAMES = ("24h", "7d", "1m")

_HOUR = timedelta(hours=1)
_EVENTS = 20
# A year of them is read from the store in about a second: they are told where history is asked for.
_MOMENTS, _MOMENTS_DAYS = 20, 365
_READING_COLUMNS = analyses.READING_COLUMNS
_LEVEL_COLUMNS = clusters.LEVEL_COLUMNS


class Analyst:
    """Analyses a coin from pictures and the tables."""

    def __init__(self, settings: Settings, database: Database, pictures: Pictures) -> None:
        self._signals = Analysis.of(settings).signals()
        self._database, self._pictures = database, pictures
        self._store = TableStore(settings.store_root)

    def analyze(
        self,
        coin: str,
        uploads: Sequence[Upload],
        timeframes: Sequence[str] = TIMEFRAMES,
        *,
        include_historical: bool = False,
        keep: bool = True,
    ) -> dict[str, Any]:
        """Read the pictures, and say what they and the tables tell of a coin; values as JSON has them.

        Raises:
            ApiError: a picture is refused, or the database is away.
        """
        read = self._pictures.read(coin, uploads, keep=keep)
        return self.of_pictures(coin, read, timeframes, include_historical=include_historical)

    def of_pictures(
        self,
        coin: str,
        read: Sequence[ReadPicture],
        timeframes: Sequence[str] = TIMEFRAMES,
        *,
        include_historical: bool = False,
    ) -> dict[str, Any]:
        """The same of pictures that are read already.

        Raises:
            ApiError: the database is away.
        """
        analysis, notes = self._analysis(coin, read)
        answer = {
            "symbol": coin,
            "readings": [_shown(picture) for picture in read],
            "squeeze_analysis": analysis,
            "win_rates": self._win_rates(coin, tuple(timeframes)),
            "notes": notes,
        }
        if include_historical:
            events, _ = self._database.frame(schemas.SQUEEZE_EVENTS, Asked({"symbol": coin}, limit=_EVENTS))
            moments = None
            if analysis is not None:
                hour = datetime.fromisoformat(analysis["hour"])
                moments, lacking = self._similar(coin, hour, next(iter(timeframes), "24h"))
                notes += [lacking] if lacking else []
            answer["historical"] = {"squeeze_events": records(events), "similar_moments": moments}
        return answer

    def _analysis(self, coin: str, read: Sequence[ReadPicture]) -> tuple[dict[str, Any] | None, list[str]]:
        """The coin's analysis with these pictures, None without market data; and what a person should know of it."""
        moments = pd.Series([picture.captured.time for picture in read], dtype=TIME)
        pictures = pd.DataFrame({"sha256": [picture.sha256 for picture in read], "captured_at": moments})
        pictures = pictures.drop_duplicates("sha256")
        by_hash = {picture.sha256: picture.reading for picture in read}
        asked = moments.max().floor("h").to_pydatetime()
        hour = self._database.newest(schemas.EXCHANGE_SNAPSHOTS, coin, asked)
        if hour is None:
            said = f"no market data of {coin} up to {asked:%Y-%m-%d %H:%M} UTC: backfill it, then ask again"
            return None, [said]
        age = asked - hour
        if age > timedelta(hours=self._signals.max_reading_age_hours):
            said = f"the market of {coin} is known up to {hour:%Y-%m-%d %H:%M} UTC alone, long before these pictures"
            return None, [f"{said}: backfill it, then ask again"]
        provisional = age > timedelta(0)
        notes = [told for row in pictures.itertuples() if (told := frames.out_of_time(row, by_hash[str(row.sha256)]))]
        timely = frames.timely(pictures, by_hash)
        if provisional:
            # The picture stands as if it had been taken at the end of the hour that the market is known of.
            pictures["captured_at"] -= moments.max() - pd.Timestamp(hour + _HOUR - timedelta(microseconds=1))
            notes.append(
                f"provisional: the market is known up to the hour of {hour:%Y-%m-%d %H:%M} UTC; "
                f"the run of the hour of {asked:%Y-%m-%d %H:%M} will say it for good"
            )
        pictures["hour"] = pictures["captured_at"].dt.floor("h")
        readings = by_coin(frames.liquidation_readings(pictures, timely))
        levels = by_coin(frames.liquidation_levels(pictures, timely))
        if not (readings["symbol"] == coin).any():
            notes.append(
                f"no share of {coin} was read from these pictures: the analysis rests on what was known before"
            )
        end, signals = hour + _HOUR, self._signals
        pictures_from = hour - signals.readings_lookback
        rows = analyses.squeeze_analyses(
            self._database.between(
                schemas.EXCHANGE_SNAPSHOTS, analyses.SNAPSHOT_COLUMNS, hour - signals.snapshots_lookback, end, coin
            ),
            self._with_known(schemas.LIQUIDATION_READINGS, _READING_COLUMNS, pictures_from, end, readings),
            self._database.between(
                schemas.REALISED_LIQUIDATIONS,
                analyses.LIQUIDATION_COLUMNS,
                hour - signals.liquidations_lookback,
                end,
                coin,
            ),
            hour,
            end,
            signals,
            self._with_known(schemas.LIQUIDATION_LEVELS, _LEVEL_COLUMNS, pictures_from, end, levels),
        )
        [analysis] = records(rows)
        return {**analysis, "provisional": provisional}, notes

    def _with_known(
        self, table: schemas.TableSchema, columns: Sequence[str], start: datetime, end: datetime, fresh: pd.DataFrame
    ) -> pd.DataFrame:
        """What was read before, and now; a picture that was sent again counts once, as it counts now."""
        known = self._database.between(table, columns, start, end)
        known = by_coin(known[~known["sha256"].isin(fresh["sha256"])])
        parts = [part for part in (known, fresh[list(columns)]) if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else known

    def _similar(self, coin: str, hour: datetime, timeframe: str) -> tuple[dict[str, Any] | None, str]:
        """Moments that looked like the end of an hour, with their odds; None and the reason where there are none."""
        try:
            found = similar_moments(self._store, coin, hour, timeframe=timeframe, count=_MOMENTS, days=_MOMENTS_DAYS)
        except NoMomentError as error:
            return None, f"no similar moments: {error}"
        return {
            "timeframe": timeframe,
            "moments": records(found.neighbours),
            "odds": records(found.odds),
            "looked_at": list(found.looked_at),
        }, ""

    def _win_rates(self, coin: str, timeframes: tuple[str, ...]) -> list[dict[str, Any]]:
        """The newest day's win rates of these timeframes, each with base rate, interval and sample size."""
        day = self._database.newest(schemas.WIN_RATES, coin)
        if day is None:
            return []
        rates = self._database.between(schemas.WIN_RATES, schemas.WIN_RATES.names, day, day + timedelta(days=1), coin)
        return records(rates[rates["timeframe"].isin(timeframes) & (rates["condition"] == ALL)])


def _shown(picture: ReadPicture) -> dict[str, Any]:
    """A picture's reading under the name that it was sent by, with when it was taken and whether it is kept."""
    return {
        **to_dict(picture.reading),
        "file": picture.name,
        "captured_at": picture.captured.time.astimezone(UTC).isoformat(),
        "captured_at_source": picture.captured.source,
        "kept": picture.kept,
    }

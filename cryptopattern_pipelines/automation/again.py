"""Hours that came with rows missing, and that a venue may tell whole when it is asked again."""

from datetime import datetime, timedelta

import dagster as dg

from cryptopattern_pipelines.automation.partitions import HOURLY, Window, keys_in

# The entry in a partition's metadata that counts what may be there when it is asked for again.
ASK_AGAIN = "problems to ask again"
# On a run that asks for such hours again: the first of them.
AGAIN_TAG = "cryptopattern/asked_again"
# So far back; the hours cost no more requests than one, since each request brings a page of them.
ASKED_FOR_AT_MOST = timedelta(hours=24)

_ASSETS = ("market_candles", "derivatives_metrics", "realised_liquidations")
# Newest first; each hour is materialised once an hour at most while it lacks something.
_MOST_RECORDS = 2_000


def first_to_ask_again(instance: dg.DagsterInstance, end: datetime) -> datetime | None:
    """The earliest hour of those before `end` whose last materialisation says that rows may still come."""
    keys = keys_in(HOURLY, Window(end - ASKED_FOR_AT_MOST, end))
    found: set[str] = set()
    for asset in _ASSETS:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=keys)
        seen: set[str] = set()
        for record in instance.fetch_materializations(wanted, limit=_MOST_RECORDS).records:
            key, event = record.partition_key, record.asset_materialization
            if key is None or event is None or key in seen:
                continue
            seen.add(key)
            if ASK_AGAIN in event.metadata and event.metadata[ASK_AGAIN].value:
                found.add(key)
    return HOURLY.time_window_for_partition_key(min(found)).start if found else None

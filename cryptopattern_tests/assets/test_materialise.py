"""What assets share: a picture is shown on one page of a run, however many partitions it has."""

import base64
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from cryptopattern_pipelines.assets.materialise import show
from cryptopattern_pipelines.automation.partitions import HOURLY

KEYS = [f"2024-08-05-{hour:02d}:00" for hour in range(3)]


@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[2]},
        {"dagster/partition": KEYS[2]},
    ],
)
def test_a_picture_is_shown_on_the_newest_page_alone(tags: dict[str, str]) -> None:
    @dg.asset(partitions_def=HOURLY, backfill_policy=dg.BackfillPolicy.single_run())
    def drawn(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        show(context, "prices", b"a picture")
        yield dg.MaterializeResult(metadata={"rows": 1})

    result = dg.materialize([drawn], tags=tags, instance=dg.DagsterInstance.ephemeral())
    events = {event.partition: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert {key for key, metadata in events.items() if "prices" in metadata} == {KEYS[2]}
    assert all("rows" in metadata for metadata in events.values())
    assert base64.b64encode(b"a picture").decode() in str(events[KEYS[2]]["prices"].value)

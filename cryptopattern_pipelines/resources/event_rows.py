"""Events of many partitions as rows of Dagster's event log: the text that they share is made once.

What belongs here: which events are alike, and what of their rows is whose. How rows get into the log is in
`dagster_storage.py`.
"""

import json
import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, StepMaterializationData
from dagster._serdes import serialize_value

# Stand for an event's partition and time while the text around them is made; no text holds them by chance.
_PLACE, _TIME = uuid.uuid4().hex, -random.random()  # noqa: S311 - no secret


class Shared(NamedTuple):
    """What is the same in the rows of events that differ in partition and time alone; the text lies around those."""

    run_id: str
    kind: str
    step_key: str | None
    asset_key: str
    before: str
    between: str
    after: str


class Row(NamedTuple):
    """What is a row's own: the numbers of its event and of what it shares (from 1, as in SQL), its partition and time.

    `place` and `time` are the partition and the time as they stand in the text.
    """

    event: int
    shared: int
    partition: str | None
    place: str
    time: str
    timestamp: str


def rows_of(events: Sequence[dg.EventLogEntry]) -> tuple[list[Shared], list[Row]]:
    """Rows of materialisations and planned ones, in their order.

    An event that plans a set of partitions becomes a row for each: what Dagster's own storage is given one by one.
    """
    shared: list[Shared] = []
    rows: list[Row] = []
    last: tuple[Any, ...] | None = None
    for number, event in enumerate(events):
        likeness = _likeness(event)
        if likeness != last:
            shared.append(_shared(event))
            last = likeness
        time = json.dumps(event.timestamp)
        timestamp, like = utc_of(event), len(shared)
        rows += (Row(number, like, key, json.dumps(key), time, timestamp) for key in _partitions(event))
    return shared, rows


def utc_of(event: dg.EventLogEntry) -> str:
    """When an event happened, as a timestamp without zone."""
    return datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None).isoformat(" ")


def columns(rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Named tuples as columns by name, as `unnest` takes them."""
    return dict(zip(rows[0]._fields, map(list, zip(*rows, strict=True)), strict=True))


def _partitions(event: dg.EventLogEntry) -> list[str | None]:
    data = event.get_dagster_event().event_specific_data
    if isinstance(data, AssetMaterializationPlannedData):
        subset = data.partitions_subset
        return [data.partition] if subset is None else list(subset.get_partition_keys())
    assert isinstance(data, StepMaterializationData)
    return [data.materialization.partition]


def _likeness(event: dg.EventLogEntry) -> tuple[Any, ...]:
    """All of an event but partition and time. Metadata are alike when they are the same objects: 1 equals 1.0.

    Objects are told apart by their ids, so all events must live while they are compared.
    """
    told = event.get_dagster_event()
    data = told.event_specific_data
    around = (event._replace(timestamp=0.0, dagster_event=None), told._replace(event_specific_data=None))
    if not isinstance(data, StepMaterializationData):
        return (*around, data)
    made = data.materialization
    metadata = [(name, id(value)) for name, value in made.metadata.items()]
    return (*around, made.asset_key, made.description, metadata, made.tags, data.asset_lineage)


def _shared(event: dg.EventLogEntry) -> Shared:
    told = event.get_dagster_event()
    data = told.event_specific_data
    placed: AssetMaterializationPlannedData | StepMaterializationData
    if isinstance(data, AssetMaterializationPlannedData):
        placed = AssetMaterializationPlannedData(data.asset_key, partition=_PLACE)
    else:
        assert isinstance(data, StepMaterializationData)
        placed = data._replace(materialization=data.materialization._replace(partition=_PLACE))
    text = serialize_value(event._replace(timestamp=_TIME, dagster_event=told._replace(event_specific_data=placed)))
    before, rest = text.split(json.dumps(_PLACE))
    between, after = rest.split(json.dumps(_TIME))
    asset = told.asset_key
    assert asset is not None
    return Shared(event.run_id, told.event_type_value, told.step_key, asset.to_string(), before, between, after)

"""On every day's page stands which models stand, and where their cards lie."""

import re
from datetime import timedelta
from pathlib import Path

import dagster as dg

from cryptopattern_pipelines.assets.forecasts import squeeze_forecaster
from cryptopattern_pipelines.automation.partitions import DAILY, Window, range_tags
from cryptopattern_pipelines.model_card import model_card
from cryptopattern_pipelines.resources.analysis import Analysis
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze.forecaster import forecaster_rows, verdicts
from cryptopattern_pipelines.storage.schemas import SQUEEZE_FORECASTER
from cryptopattern_tests.squeeze.learning import SMALL, START, history


def test_a_day_without_training_shows_what_stands_and_where_its_card_lies(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    day = START.to_pydatetime() + timedelta(days=91)
    made = history(100, planted=1.5)
    [verdict] = verdicts(lambda: made, [day], {}, SMALL, ("long_squeeze",))
    assert verdict.standing is not None
    store.tables.keep_model(verdict.standing.model.to_json(), model_card(verdict))
    store.table(SQUEEZE_FORECASTER).write(forecaster_rows([verdict]), day, day + timedelta(days=1))

    days = Window(day + timedelta(days=1), day + timedelta(days=4))
    result = dg.materialize(
        [squeeze_forecaster],
        instance=dg.DagsterInstance.ephemeral(),
        resources={"store": store, "analysis": Analysis()},
        tags=range_tags(DAILY, days),
    )
    events = [event.materialization for event in result.get_asset_materialization_events()]
    assert len(events) == 3
    for event in events:
        text = str(event.metadata["what stands"].value)
        [line] = [line for line in text.splitlines() if line.startswith("| long_squeeze |")]
        assert f"| {verdict.standing.version} | blend | +" in line
        [card] = re.findall("`(.*)`", line)
        assert Path(card).read_text() == model_card(verdict)
        # Nothing is known of the other targets' hours.
        assert "| any_move | nothing: 0 days of known targets are too few" in text
        assert "model cards" not in event.metadata

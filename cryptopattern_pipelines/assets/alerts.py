"""What people asked to be told of: alerts by their rules."""

import dagster as dg

from cryptopattern_pipelines import alerting
from cryptopattern_pipelines.assets.forecasts import squeeze_forecasts
from cryptopattern_pipelines.assets.market import derivatives_metrics, exchange_snapshots, realised_liquidations
from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.assets.outcomes import win_rates
from cryptopattern_pipelines.assets.squeeze import squeeze_analyses
from cryptopattern_pipelines.automation.partitions import window_of
from cryptopattern_pipelines.resources.alert_rules import AlertRules, AlertRulesError
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage import schemas

GROUP = "squeeze"

# An hour's odds come from the day before its own.
_DAY_BEFORE = dg.AssetDep(win_rates, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))


@table_asset(
    schemas.SQUEEZE_ALERTS,
    GROUP,
    deps=[
        squeeze_analyses,
        squeeze_forecasts,
        exchange_snapshots,
        realised_liquidations,
        derivatives_metrics,
        _DAY_BEFORE,
    ],
)
def squeeze_alerts(
    context: dg.AssetExecutionContext, store: Store, alert_rules: dg.ResourceParam[AlertRules]
) -> Events:
    """What the rules of alerts.toml find in each hour, beside its odds, and whether it is told."""
    try:
        book = alert_rules.read()
    except AlertRulesError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    rows = alerting.alerts_of(store, window_of(context), book.rules)
    statuses = rows["status"].value_counts().to_dict()
    yield from write(context, store, schemas.SQUEEZE_ALERTS, rows, rules=len(book.rules), statuses=statuses)

"""The sensor that sends alerts."""

from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from cryptopattern_pipelines import alerting
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.resources.alert_rules import AlertRules, AlertRulesError
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze.alerts import LONGEST_COOLDOWN_HOURS
from cryptopattern_pipelines.storage.deliveries import DeliveryLog
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ALERTS


def alerts(status: dg.DefaultSensorStatus, settings: Settings) -> dg.SensorDefinition:
    """The sensor that sends what `squeeze_alerts` tells."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=30,
        default_status=status,
        description="New rows of squeeze_alerts, none older than the rules' max_age_hours, are sent once to each "
        "address of their rule. What a service did not take is sent again after 1, 2, 4, ... minutes, eight times at "
        "most. Of very many at once the most severe get a message each, all others one that lists them. What came of "
        "it is in serving.alert_deliveries.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        store: Store,
        database: dg.ResourceParam[ServingDatabase],
        alert_rules: dg.ResourceParam[AlertRules],
    ) -> dg.SkipReason:
        try:
            book = alert_rules.read()
        except AlertRulesError as error:
            context.log.error(str(error))
            return dg.SkipReason(f"nothing is sent: {error}")
        if not book.told:
            return dg.SkipReason(f"there are no rules in {alert_rules.file}: nothing is sent")
        if not any(book.addresses.values()):
            return dg.SkipReason("no rule has an address: set CRYPTOPATTERN_NOTIFY, or `to` in a rule")
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        # What was told within a cool-down before is needed, too.
        reach = book.max_age + timedelta(hours=LONGEST_COOLDOWN_HOURS + 1)
        start = (hour - reach).replace(minute=0, second=0, microsecond=0)
        rows = store.read(SQUEEZE_ALERTS, Window(start, hour + timedelta(hours=1)))
        with DeliveryLog.held(database.address()) as log:
            if log is None:
                return dg.SkipReason("another sender is at work")
            shown = alerting.Shown(
                partial(alerting.link_to, settings), f"{settings.public_url}/", partial(alerting.picture, store)
            )
            told = alerting.deliver(log, rows, book, shown, now)
        if told.failure:
            context.log.warning(str(told))
        return dg.SkipReason(str(told))

    return sensor

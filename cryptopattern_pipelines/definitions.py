"""Where all is put together: assets, jobs, schedules, sensors and resources become one code location."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.assets import alerts, forecasts, market, outcomes, screenshots, squeeze, symbols
from cryptopattern_pipelines.assets.serving import serving_asset
from cryptopattern_pipelines.automation import jobs
from cryptopattern_pipelines.automation.alerts import alerts as alerts_sensor
from cryptopattern_pipelines.automation.executor import claiming_executor
from cryptopattern_pipelines.automation.failures import failures, silence
from cryptopattern_pipelines.automation.housekeeping import health_checks, health_job, housekeeping
from cryptopattern_pipelines.automation.schedules import schedules
from cryptopattern_pipelines.automation.sensors import (
    days_after_late_hours,
    forecasts_after_late_days,
    missed_hours,
    new_screenshots,
)
from cryptopattern_pipelines.local import address
from cryptopattern_pipelines.resources.alert_rules import AlertRules
from cryptopattern_pipelines.resources.analysis import Analysis
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.notifier import Notifier
from cryptopattern_pipelines.resources.reader import Reader
from cryptopattern_pipelines.resources.settings import Settings, load_settings
from cryptopattern_pipelines.resources.stores import LandingFolder, Store
from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_pipelines.tracking import ErrorTracker


def build_definitions(settings: Settings, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The code location of these settings; a resource given by name takes the place of the settings' own."""
    schedules_are = dg.DefaultScheduleStatus.RUNNING if settings.automation else dg.DefaultScheduleStatus.STOPPED
    sensors_are = dg.DefaultSensorStatus.RUNNING if settings.automation else dg.DefaultSensorStatus.STOPPED
    analysis = Analysis.of(settings)
    checks = health_checks()
    health = health_job(checks)
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules([screenshots, market, symbols, squeeze, outcomes, forecasts, alerts]),
            *(serving_asset(table) for table in TABLES.values()),
        ],
        asset_checks=[checks],
        jobs=[jobs.hourly, jobs.daily, jobs.late_screenshots, jobs.history, jobs.forecasts, health, housekeeping],
        schedules=schedules(schedules_are, health),
        sensors=[
            new_screenshots(sensors_are, reading_age=analysis.signals().readings_lookback),
            missed_hours(sensors_are),
            days_after_late_hours(sensors_are),
            forecasts_after_late_days(sensors_are),
            failures(sensors_are, ui=address(settings), tracker=ErrorTracker(settings)),
            silence(sensors_are, ui=address(settings)),
            alerts_sensor(sensors_are, settings),
        ],
        resources={
            "store": Store.of(settings),
            "landing_folder": LandingFolder.of(settings),
            "reader": Reader.of(settings),
            "market": Market.of(settings),
            "analysis": analysis,
            "database": ServingDatabase(settings),
            "notifier": Notifier.of(settings),
            "alert_rules": AlertRules.of(settings),
            **(resources or {}),
        },
        loggers=logs.loggers(settings.log_format),
        executor=claiming_executor(settings),
    )


defs = build_definitions(load_settings())

"""Exchange data becomes rows: candles, derivatives metrics, realised liquidations, and hourly snapshots of them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg
import pandas as pd
import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from cryptopattern_pipelines.assets.following import rows_of_followed
from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.automation.again import ASK_AGAIN
from cryptopattern_pipelines.automation.jobs import PROCESS_TAG
from cryptopattern_pipelines.automation.partitions import window_of
from cryptopattern_pipelines.market import contradictions, snapshots
from cryptopattern_pipelines.market.choice import choice_of
from cryptopattern_pipelines.market.listings import ListingSource
from cryptopattern_pipelines.market.live import NoVenueError
from cryptopattern_pipelines.market.source import MarketSource, Problem, SymbolError, with_earlier
from cryptopattern_pipelines.market.symbols import coins
from cryptopattern_pipelines.market.transport import Sent
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgresError
from cryptopattern_pipelines.storage.imported import without_imported

GROUP = "market"


# A venue's outage is over in minutes or in hours: an hour that none of them brought is tried again within this one.
_RETRIES = 4
_FIRST_WAIT_SECONDS = 60


@contextmanager
def asked(context: dg.AssetExecutionContext, market: Market, database: ServingDatabase) -> Iterator[ListingSource]:
    """The source, to be asked; what it sent to venues is counted afterwards, however that went.

    When no venue could be reached at all another try is asked for, later; a person who waits is told at once.
    """
    sent: list[Sent] = []
    try:
        yield market.open(sent.append)
    except NoVenueError as error:
        if PROCESS_TAG in context.run.tags:
            raise dg.Failure(str(error), allow_retries=False) from error
        wait = _FIRST_WAIT_SECONDS * 2**context.retry_number
        raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=wait) from error
    finally:
        try:
            database.count_requests(sent)
        except (psycopg2.Error, SQLAlchemyError, EmbeddedPostgresError) as error:
            # Counts are for people: rows that were brought are worth more.
            context.log.warning(f"{len(sent)} requests are not counted: {error}")


def tell_problems(context: dg.AssetExecutionContext, source: MarketSource) -> dict[str, int]:
    """Log what a source could not bring while it brought the rest; how many such problems there were."""
    for problem in source.problems:
        context.log.warning(str(problem), extra=_fields_of(problem))
    return {"problems": len(source.problems)}


def _fields_of(problem: Problem) -> dict[str, str]:
    """Whose rows a problem is of, as fields of a log."""
    fields = {"venue": problem.venue, "market": problem.market, "instrument": problem.instrument}
    with suppress(SymbolError):  # feeds of many coins name none
        fields["symbol"] = ", ".join(coins(problem.instrument.split(", ")))
    return {name: value for name, value in fields.items() if value}


def _written(
    context: dg.AssetExecutionContext,
    store: Store,
    market: Market,
    table: schemas.TableSchema,
    rows: pd.DataFrame,
    *,
    source: MarketSource,
) -> Events:
    """Write what a source brought, and what it had brought before and lacks now; log what it could not bring."""
    told = tell_problems(context, source)
    choice = choice_of(market.symbols)
    named = coins(choice.names)
    if source.problems:
        earlier = without_imported(table, store.read(table, window_of(context)))
        rows = with_earlier(rows, earlier, source.problems, table, None if choice.top else named)
    passing = sum(problem.passing for problem in source.problems)
    yield from write(context, store, table, rows, followed=named, **told, **{ASK_AGAIN: passing})


@table_asset(schemas.MARKET_CANDLES, GROUP)
def market_candles(
    context: dg.AssetExecutionContext, store: Store, market: Market, database: dg.ResourceParam[ServingDatabase]
) -> Events:
    """Closed hourly candles of every symbol, venue and market."""
    with asked(context, market, database) as source:
        rows = rows_of_followed(source.candles, store, market, window_of(context))
    yield from _written(context, store, market, schemas.MARKET_CANDLES, rows, source=source)


@table_asset(schemas.DERIVATIVES_METRICS, GROUP)
def derivatives_metrics(
    context: dg.AssetExecutionContext, store: Store, market: Market, database: dg.ResourceParam[ServingDatabase]
) -> Events:
    """Funding, open interest and positioning ratios, as they were known by the end of each hour."""
    with asked(context, market, database) as source:
        rows = rows_of_followed(source.derivatives_metrics, store, market, window_of(context))
    yield from _written(context, store, market, schemas.DERIVATIVES_METRICS, rows, source=source)


@table_asset(schemas.REALISED_LIQUIDATIONS, GROUP)
def realised_liquidations(
    context: dg.AssetExecutionContext, store: Store, market: Market, database: dg.ResourceParam[ServingDatabase]
) -> Events:
    """Longs and shorts that venues closed by force, where a venue publishes them."""
    with asked(context, market, database) as source:
        rows = rows_of_followed(source.realised_liquidations, store, market, window_of(context))
    yield from _written(context, store, market, schemas.REALISED_LIQUIDATIONS, rows, source=source)


_FROM_OUTSIDE = [market_candles, derivatives_metrics, realised_liquidations]


@table_asset(schemas.QUARANTINED_MARKET_ROWS, GROUP, deps=_FROM_OUTSIDE)
def quarantined_market_rows(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Rows that a source told and that can't be, each with the reason; the three tables before are without them."""
    rows = store.rows_set_aside(window_of(context))
    counts = rows["table_name"].value_counts().to_dict()
    yield from write(context, store, schemas.QUARANTINED_MARKET_ROWS, rows, tables=counts)


@table_asset(schemas.EXCHANGE_SNAPSHOTS, GROUP, deps=_FROM_OUTSIDE)
def exchange_snapshots(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Each symbol over all its venues as it stood at the end of the hour, from closed candles alone."""
    window = window_of(context)
    rows = snapshots.exchange_snapshots(
        store.read(schemas.MARKET_CANDLES, window.reaching_back(snapshots.CANDLES_LOOKBACK), snapshots.CANDLE_COLUMNS),
        store.read(schemas.DERIVATIVES_METRICS, window.reaching_back(snapshots.LOOKBACK), snapshots.METRIC_COLUMNS),
        store.read(
            schemas.REALISED_LIQUIDATIONS,
            window.reaching_back(snapshots.LIQUIDATIONS_LOOKBACK),
            snapshots.LIQUIDATION_COLUMNS,
        ),
        *window,
    )
    yield from write(context, store, schemas.EXCHANGE_SNAPSHOTS, rows)


@table_asset(schemas.MARKET_CONTRADICTIONS, GROUP, deps=_FROM_OUTSIDE)
def market_contradictions(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Figures of one symbol and hour that can't both be right, beside each other."""
    window = window_of(context)
    known = window.reaching_back(contradictions.LOOKBACK)
    candles, metrics, liquidations = (store.read(table, known) for table in schemas.MARKET_TABLES)
    rows = contradictions.joined(
        contradictions.market_contradictions(candles, metrics, liquidations, *window),
        *(
            contradictions.between_sources(told, store.imported(table, window), table.name, table.key)
            for table, told in zip(schemas.MARKET_TABLES, (candles, metrics, liquidations), strict=True)
        ),
    )
    kinds = rows["what"].value_counts().to_dict()
    yield from write(context, store, schemas.MARKET_CONTRADICTIONS, rows, kinds=kinds)

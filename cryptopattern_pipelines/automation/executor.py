"""How a run's steps are executed: in one process, while no other run writes the same hours."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan

# Dagster's own; its definition, `dg.in_process_executor`, can't be derived from.
from dagster._core.executor.in_process import InProcessExecutor

from cryptopattern_pipelines.automation.partitions import Window, partitions_of, window_told
from cryptopattern_pipelines.resources.database import database_url
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage.claims import claimed
from cryptopattern_pipelines.storage.schemas import TABLES


def tables_written(assets: frozenset[dg.AssetKey] | set[dg.AssetKey]) -> list[str]:
    """The tables that a run of these assets writes, in the store or in Postgres."""
    return sorted({key.path[-1] for key in assets} & set(TABLES))


def window_written(tables: list[str], tags: Mapping[str, str]) -> Window | None:
    """The window of a run over these tables, by its tags; None for a run of no partition."""
    return window_told(tags, partitions_of(TABLES[tables[0]])) if tables else None


class ClaimingExecutor(InProcessExecutor):
    """Dagster's executor of one process, which claims what the run writes before its first step."""

    def __init__(self, like: InProcessExecutor, settings: Settings) -> None:
        super().__init__(like.retries, like.step_dependency_config, like.marker_to_close)
        self._settings = settings

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Execute the run's steps once nobody else writes its partitions."""
        with self._claim(plan_context):
            yield from super().execute(plan_context, execution_plan)

    def _claim(self, context: PlanOrchestrationContext) -> AbstractContextManager[None]:
        run = context.dagster_run
        selected = run.asset_selection or context.job.get_definition().asset_layer.selected_asset_keys
        tables = tables_written(set(selected))
        window = window_written(tables, run.tags)
        if window is None:
            return nullcontext()

        def tell() -> None:
            context.log.info("waits: another run writes the same hours or days")

        return claimed(database_url(self._settings), tables, *window, tell)


def claiming_executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of all jobs. Steps are short: a process for each would cost more than the work (2.2 s a step)."""
    plain = dg.in_process_executor

    @dg.executor(name=plain.name, config_schema=plain.config_schema.as_field())
    def executor(context: dg.InitExecutorContext) -> ClaimingExecutor:
        assert plain.executor_creation_fn is not None
        like = plain.executor_creation_fn(context)
        assert isinstance(like, InProcessExecutor)
        return ClaimingExecutor(like, settings)

    return executor

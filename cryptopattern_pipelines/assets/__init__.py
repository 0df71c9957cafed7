"""The software-defined assets: thin, one file a group."""

import warnings

import dagster as dg

# Every asset leans on `backfill_policy`, which Dagster calls beta; pyproject.toml bounds its version for that. Said
# once here instead of by a warning for each asset at every start.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

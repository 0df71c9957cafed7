"""Pictures of Dagster's UI for docs/: `python -m cryptopattern_tests.pictures` takes them over the demo's store."""

"""Rows become signals, analyses and win rates. Plain functions on frames; nothing here knows of Dagster."""

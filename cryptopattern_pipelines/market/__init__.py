"""Venues and archives become rows. Plain functions on frames; nothing here knows of Dagster."""

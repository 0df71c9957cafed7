"""A picture becomes rows. Plain functions on arrays and frames; nothing here knows of Dagster."""

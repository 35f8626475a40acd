"""Snowflake as target: Parquet is copied from a stage by Snowflake itself, in one guarded transaction."""

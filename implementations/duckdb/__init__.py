"""DuckDB as target."""

from implementations.duckdb.target import DuckDBTarget as DuckDBTarget
from implementations.duckdb.words import DuckDBWords as DuckDBWords

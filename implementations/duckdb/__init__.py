"""DuckDB as source and as target."""

from implementations.duckdb.source import DuckDBSource as DuckDBSource
from implementations.duckdb.target import DuckDBTarget as DuckDBTarget
from implementations.duckdb.words import DuckDBWords as DuckDBWords

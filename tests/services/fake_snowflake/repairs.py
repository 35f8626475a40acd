"""Where fakesnow differs from Snowflake in what a load needs."""

from typing import Any

import duckdb
import pyarrow as pa
import snowflake.connector.errors
from fakesnow import arrow, copy_into
from fakesnow.cursor import FakeSnowflakeCursor
from sqlglot import exp

_as_fakesnow_does = arrow.timestamp_to_sf_struct


def repair() -> None:
    """FILES of internal stages, fields with difficult names, and conflicts worded as Snowflake does."""
    copy_into._source_urls = lambda source, files: [source + file for file in files] or [source]
    copy_into._strip_json_extract = _fields
    arrow.timestamp_to_sf_struct = _instants
    FakeSnowflakeCursor._execute = _locking(FakeSnowflakeCursor._execute)


def _fields(select: exp.Select) -> exp.Select:
    """`$1:"a b"` as the column of a Parquet file."""

    def column(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.JSONExtract | exp.JSONExtractScalar) and isinstance(node.this, exp.Parameter):
            key = node.expression.find(exp.JSONPathKey)
            return exp.Column(this=exp.Identifier(this=key.this, quoted=True))
        return node

    return select.transform(column)


def _instants(times: pa.ChunkedArray) -> pa.Array:
    """Times as the driver reads them; fakesnow makes 1970 of NULL."""
    whole = times.combine_chunks() if isinstance(times, pa.ChunkedArray) else times
    made = _as_fakesnow_does(whole)
    return pa.StructArray.from_arrays(made.flatten(), fields=list(made.type), mask=whole.is_null())


def _locking(execute: Any) -> Any:
    def locking(cursor: FakeSnowflakeCursor, *arguments: Any) -> None:
        try:
            execute(cursor, *arguments)
        except duckdb.TransactionException as conflict:
            raise snowflake.connector.errors.ProgrammingError(
                msg=f"Statement 'x' has locked table 'y' in transaction 1 and this lock has not yet been "
                f"released. ({conflict})",
                errno=625,
                sqlstate="57014",
            ) from conflict
        except duckdb.Error as error:  # fakesnow would answer 500, and the driver would ask again
            raise snowflake.connector.errors.ProgrammingError(
                msg=str(error), errno=1, sqlstate="XX000"
            ) from error

    return locking

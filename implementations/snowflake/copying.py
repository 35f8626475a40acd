"""COPY of staged Parquet: what is said, and what must come back for every file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from implementations.loading.dialect import Dialect, Pair, Table, literal, place
from implementations.snowflake import kinds, names
from implementations.snowflake.stages import Reached
from pipeline_framework.errors import StageLost
from pipeline_framework.interfaces import Staged, StagedFile

MOST_FILES = 1000  # of a FILES list: https://docs.snowflake.com/en/sql-reference/sql/copy-into-table
# By default times would come as numbers, and bytes as text.
_PARQUET = "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE)"
# A file that an earlier, undone load has read is read again: what is loaded is the ledger's word.
_HOW = f"{_PARQUET} ON_ERROR = ABORT_STATEMENT FORCE = TRUE"


def copies(
    dialect: Dialect, table: Table, pairs: Sequence[Pair], staged: Staged, reached: Reached
) -> Iterator[tuple[Sequence[StagedFile], str]]:
    """Files with rows, and the statement that loads them; a thousand at a time."""
    files = [file for file in staged.manifest.files if file.rows]
    into = ", ".join(dialect.quoted(pair.column) for pair in pairs)
    taken = ", ".join(_taken(pair, staged.schema) for pair in pairs)
    for first in range(0, len(files), MOST_FILES):
        some = files[first : first + MOST_FILES]
        listed = ", ".join(literal(reached.folder + file.name) for file in some)
        yield (
            some,
            (
                f"COPY INTO {place(dialect, table)} ({into}) FROM (SELECT {taken} FROM @{reached.stage}/) "  # noqa: S608
                f"FILES = ({listed}) {_HOW}"
            ),
        )


def copied(files: Sequence[StagedFile], report: Sequence[Mapping[str, Any]], table: str) -> int:
    """Rows that were loaded. Raises `StageLost` unless every file was, with the rows of the manifest."""
    reported = {str(row.get("file")).rpartition("/")[2]: row for row in report}
    for file in files:
        row = reported.get(file.name, {})
        if (row.get("status"), int(row.get("rows_loaded") or 0)) != ("LOADED", file.rows):
            raise StageLost(
                f"Snowflake reports {row.get('rows_loaded') or 0} rows of {file.name} for {table} "
                f"({row.get('status', 'no word')}), where the manifest says {file.rows}; nothing was "
                "changed, and the window is staged again."
            )
    return sum(file.rows for file in files)


def _taken(pair: Pair, schema: pa.Schema) -> str:
    kind = kinds.assigned(pair.type)
    if pair.value is not None:
        return f"{literal(pair.value)}::{kind}"
    if not pair.staged:
        return f"NULL::{kind}"
    field = f"$1:{names.exact(pair.staged)}"
    if schema.field(pair.staged).type != pa.uint64():
        return f"{field}::{kind}"
    # Parquet keeps unsigned numbers in signed ones: should they come out so, the upper half is negative.
    number = f"{field}::NUMBER(21,0)"
    return f"IFF({number} < 0, {number} + {2**64}, {number})::{kind}"

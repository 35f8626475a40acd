"""What the recipe that replaces a window has to know of DuckDB."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from implementations.loading.dialect import LedgerType, Pair, Table, definition, insertion, place
from implementations.loading.widening import fits, number
from pipeline_framework.errors import PipelineError
from pipeline_framework.interfaces import Staged

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

INSTANTS = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
_STREAM = "pipeline_staged"
_INCOMING = "pipeline_incoming"
# A type of which nothing is known: by this word, which DESCRIBE never says, text where a table is made.
_UNKNOWN = "BPCHAR"


@dataclass(frozen=True, slots=True)
class DuckDBWords:
    """The recipe's dialect on an open connection."""

    connection: "DuckDBPyConnection"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        import duckdb

        self.rows("BEGIN")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                self.rows("ROLLBACK")
            raise

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, list(values)).fetchall()

    def changed(self, statement: str, values: Sequence[object] = ()) -> int:
        # DuckDB answers a change with one row: how many.
        return int(self.rows(statement, values)[0][0])

    def queue(self, table: Table) -> None:
        pass  # one process at a time has the file

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def same_name(self, one: str, other: str) -> bool:
        return one.lower() == other.lower()

    def same_table(self, column: str) -> str:
        return f"lower({column}) = lower(?)"

    def ledger_types(self) -> Mapping[LedgerType, str]:
        return {"name": "VARCHAR", "text": "VARCHAR", "integer": "BIGINT", "instant": "TIMESTAMPTZ"}

    def moment(self, instant: datetime, column_type: str) -> str | None:
        if column_type not in INSTANTS:
            return None
        zone = "+00" if column_type.endswith("ZONE") else ""
        return f"{column_type} '{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}{zone}'"

    def cast(self, expression: str, column_type: str) -> str:
        return f"CAST({expression} AS {column_type})"

    def microseconds(self, column: str) -> str:
        return f"epoch_us({column})"

    def deletion(self, table: Table) -> str:
        return f"DELETE FROM {place(self, table)}"  # noqa: S608

    def columns(self, table: Table) -> dict[str, str]:
        wanted = (
            "SELECT column_name, data_type FROM duckdb_columns() WHERE (database_name = current_database() "
            "AND lower(schema_name) = lower(?) OR database_name = 'temp' AND ? = 'temp') "
            "AND lower(table_name) = lower(?) ORDER BY column_index"
        )
        return dict(self.rows(wanted, [table.schema, table.schema, table.name]))

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        with self._relation(staged) as relation:
            described = self.rows(f"DESCRIBE FROM {relation}")
        return {
            name: kind.replace('"NULL"', _UNKNOWN)
            for (name, kind, *_), staged_type in zip(described, staged.schema.types, strict=True)
            if not _shapeless(staged_type)
        }

    def make(self, table: Table, columns: Mapping[str, str]) -> None:
        self.rows(definition(self, table, columns))

    def incoming(self, table: Table) -> Table:
        self.rows(f"CREATE OR REPLACE TEMP TABLE {_INCOMING} AS FROM {place(self, table)} LIMIT 0")
        return Table("temp", _INCOMING, table.time_field)

    def widens(self, staged_type: str, column_type: str) -> bool:
        if staged_type == column_type or {staged_type, column_type} <= INSTANTS:
            return True
        if _UNKNOWN in staged_type:
            return bool(re.fullmatch(re.escape(staged_type).replace(_UNKNOWN, ".+"), column_type))
        one, other = number(staged_type), number(column_type)
        return one is not None and other is not None and fits(one, other)

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        with self._relation(staged) as relation:
            return self.changed(insertion(self, table, pairs, relation))

    def has_schema(self, name: str) -> bool:
        """Whether there is a schema of that name."""
        asked = "database_name = current_database() AND lower(schema_name) = lower(?)"
        return bool(self.rows(f"SELECT 1 FROM duckdb_schemas() WHERE {asked}", [name]))  # noqa: S608

    @contextmanager
    def _relation(self, staged: Staged) -> Iterator[str]:
        """Files of this host, which DuckDB opens itself; what lies elsewhere streams through Arrow."""
        if not any("://" in path for path in staged.paths):
            yield _files(staged.paths)
            return
        failed: list[PipelineError] = []
        self.connection.register(_STREAM, _noted(staged.batches(), failed))
        try:
            yield _STREAM
        except Exception:
            if failed:
                raise failed[0] from None
            raise
        # Not after a failure, whose transaction takes no word any more: the connection ends too.
        self.connection.unregister(_STREAM)


def _shapeless(kind: pa.DataType) -> bool:
    """Whether nothing is known of a column's values: then it waits for a window that knows."""
    members = [kind.field(place).type for place in range(kind.num_fields)]
    return all(map(_shapeless, members)) if members else bool(pa.types.is_null(kind))


def _noted(reader: pa.RecordBatchReader, failed: list[PipelineError]) -> pa.RecordBatchReader:
    """The same batches, with the error that ends them, of which DuckDB would make a text."""

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except PipelineError as error:
            failed.append(error)
            raise

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _files(paths: Sequence[str]) -> str:
    # `[` opens a pattern in a path, and the folders' `name=value` must not become columns.
    escaped = (re.sub(r"([\[*?])", r"[\1]", path).replace("'", "''") for path in paths)
    listed = ", ".join(f"'{path}'" for path in escaped)
    return f"read_parquet([{listed}], hive_partitioning = false)"

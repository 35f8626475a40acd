"""The recipe's dialect on an open session of PostgreSQL."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from implementations.loading import plain_rows
from implementations.loading.dialect import LedgerType, Pair, Table, definition, insertion, place
from implementations.loading.widening import fits, number
from implementations.postgres.session import Session
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Staged

_STAGED = Table("pg_temp", "pipeline_staged", "")
_INSTANTS = {"timestamp with time zone", "timestamp without time zone"}
_NUMBERS = {"smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT"}
_NUMBERS |= {"real": "FLOAT", "double precision": "DOUBLE"}
# Which other types take a text or JSON unchanged, or refuse it aloud.
_TEXTS = {"text": r"character varying(\(\d+\))?|jsonb?|uuid", "jsonb": "json|text"}


@dataclass(frozen=True, slots=True)
class PostgresWords(Session):
    """A session that also knows the recipe's words."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        from adbc_driver_manager import Error

        # By the driver: behind a BEGIN of ours it would commit after every query that is given an instant.
        driver = self.connection.adbc_connection
        driver.set_autocommit(False)
        try:
            yield
            driver.commit()
        except BaseException:
            with suppress(Error):
                driver.rollback()
            raise
        finally:
            with suppress(Error):
                driver.set_autocommit(True)

    def queue(self, table: Table) -> None:
        self.rows("SELECT pg_advisory_xact_lock(hashtextextended(?, 0)) IS NULL", [f"pipeline {table}"])

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def same_name(self, one: str, other: str) -> bool:
        return one == other

    def same_table(self, column: str) -> str:
        return f"{column} = ?"

    def ledger_types(self) -> Mapping[LedgerType, str]:
        return {"name": "text", "text": "text", "integer": "bigint", "instant": "timestamp with time zone"}

    def moment(self, instant: datetime, column_type: str) -> str | None:
        if column_type not in _INSTANTS:
            return None
        return f"{column_type} '{instant.astimezone(UTC).isoformat(' ')}'"

    def cast(self, expression: str, column_type: str) -> str:
        return f"CAST({expression} AS {column_type})"

    def microseconds(self, column: str) -> str:
        return f"(extract(epoch FROM {column}) * 1000000)::bigint"

    def deletion(self, table: Table) -> str:
        return f"DELETE FROM {place(self, table)}"  # noqa: S608

    def columns(self, table: Table) -> dict[str, str]:
        wanted = (
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        return dict(self.rows(wanted, [place(self, table)]))

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        # Not a table of types: what the driver makes of these columns is what it will write.
        _nameable(staged.schema)
        self.rows(f"DROP TABLE IF EXISTS {place(self, _STAGED)}")
        with self.connection.cursor() as cursor:
            empty = plain_rows.schema_of(staged).empty_table()
            cursor.adbc_ingest(_STAGED.name, empty, mode="create", temporary=True)
        made = self.columns(_STAGED)
        return {name: _exactly(staged.schema.field(name).type, kind) for name, kind in made.items()}

    def make(self, table: Table, columns: Mapping[str, str]) -> None:
        self.rows(definition(self, table, columns))
        # Rows come in the order of their windows, for which the smallest index is enough.
        time = self.quoted(table.time_field)
        self.rows(f"CREATE INDEX ON {place(self, table)} USING brin ({time}) WITH (autosummarize)")
        if table.write.key:
            key = ", ".join(map(self.quoted, [*table.scope, *table.write.key]))
            self.rows(f"CREATE INDEX ON {place(self, table)} ({key})")

    def incoming(self, table: Table) -> Table:
        made = Table(_STAGED.schema, "pipeline_incoming", table.time_field)
        self.rows(f"DROP TABLE IF EXISTS {place(self, made)}")
        self.rows(f"CREATE TEMPORARY TABLE {self.quoted(made.name)} (LIKE {place(self, table)})")
        return made

    def widens(self, staged_type: str, column_type: str) -> bool:
        if staged_type == column_type or {staged_type, column_type} <= _INSTANTS:
            return True
        if staged_type in _TEXTS:
            return bool(re.fullmatch(_TEXTS[staged_type], column_type))
        one, other = number(_number(staged_type)), number(_number(column_type))
        if one is not None and not one.float_bits and column_type == "numeric":
            return True
        return one is not None and other is not None and fits(one, other)

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        # COPY writes bytes that a column of another type would take for values of its own. So it goes
        # straight into the table only where each type is the one written, else by way of a cast.
        written = self.columns(_STAGED)
        same = all(
            written.get(pair.staged) == re.sub(r"^numeric\(.*", "numeric", pair.type) for pair in pairs
        )
        if same and len(pairs) == len(written):
            return self._copied(table, staged)
        self._copied(_STAGED, staged)
        # A cast to a length cuts what is longer, an assignment refuses it.
        pairs = [
            replace(pair, type=re.sub(r"^(character varying)\(\d+\)$", r"\1", pair.type)) for pair in pairs
        ]
        return self.changed(insertion(self, table, pairs, place(self, _STAGED)))

    def _copied(self, table: Table, staged: Staged) -> int:
        failed: list[BaseException] = []

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                yield from plain_rows.batches_of(staged)
            except BaseException as error:
                failed.append(error)  # the driver would make a text of it
                raise

        temporary = table.schema == _STAGED.schema
        where = {"temporary": True} if temporary else {"db_schema_name": table.schema}
        with self.connection.cursor() as cursor:
            try:
                reader = pa.RecordBatchReader.from_batches(plain_rows.schema_of(staged), batches())
                return int(cursor.adbc_ingest(table.name, reader, mode="append", **where))
            except Exception:
                if failed:
                    raise failed[0] from None
                raise


def _exactly(kind: pa.DataType, made: str) -> str:
    """The type of a new column where the driver's is wider than the values are."""
    if plain_rows.nested(kind):
        return "jsonb"
    sent = plain_rows.plain(kind)
    return f"numeric({sent.precision},{sent.scale})" if pa.types.is_decimal(sent) else made


def _number(kind: str) -> str:
    return _NUMBERS.get(kind, kind.replace("numeric(", "DECIMAL("))


def _nameable(schema: pa.Schema) -> None:
    for name in schema.names:
        if len(name.encode()) > 63:
            raise BadData(
                f"The column {name} has more than the 63 bytes PostgreSQL keeps: rename it at the source."
            )

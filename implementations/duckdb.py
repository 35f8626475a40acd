"""A table of a DuckDB file as target; several processes may want the same file."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from implementations.loading import ledger, transaction
from implementations.loading.dialect import Pair, Table
from pipeline_framework.errors import BadData, Misuse, PipelineError, Unavailable
from pipeline_framework.interfaces import Loaded, Lock, Staged, StatePath
from pipeline_framework.windows import Window

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

# Memory for a load of any size; spilled to disk beyond it. Set the same for every connection of a
# process, as DuckDB refuses a second one that differs.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "TimeZone": "UTC",
    "memory_limit": "128MB",
    "threads": "2",
    "preserve_insertion_order": "false",
    "autoinstall_known_extensions": "false",
}


class _Busy(Unavailable):
    """Somebody else has the file or has just changed the same rows."""


@dataclass(frozen=True)
class DuckDBTarget:
    """One table of a DuckDB file (`type: duckdb`), made from the first window's columns.

    `path`: the file, made by the first load. `time_field`: a TIMESTAMP (taken as UTC) or TIMESTAMPTZ
    column. `wait_seconds`: how long to wait for another process that has the file open.
    """

    path: StatePath
    table: str
    time_field: str
    schema: str = "main"
    wait_seconds: float = 120.0

    def check(self) -> str:
        """Begins a table and rolls it back; makes no file. Raises `Misuse` or `Unavailable`."""
        if not Path(self.path).exists():
            return f"table {self._table} in {self.path}: the first load makes the file"
        return self._patiently(self._checked, read_only=False)

    def count(self, window: Window) -> int:
        """Rows in the window; 0 where there is no file or table. Waits for a writer to finish."""
        if not Path(self.path).exists():
            return 0
        return self._patiently(lambda words: transaction.count(words, self._table, window), read_only=True)

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        """Replace the window; see `loading.transaction.replace_window`."""
        return self._patiently(lambda words: transaction.replace_window(words, self._table, lock, staged), read_only=False)

    def loaded(self, lock: Lock) -> Loaded | None:
        """The ledger's row; None where there is no file, ledger or row."""
        if not Path(self.path).exists():
            return None
        found = self._patiently(lambda words: ledger.entry(words, self._table, lock), read_only=True)
        return found.loaded if found else None

    def clear(self, lock: Lock) -> None:
        """Empty the window under the fence."""
        self._patiently(lambda words: transaction.clear_window(words, self._table, lock), read_only=False)

    @property
    def _table(self) -> Table:
        return Table(self.schema, self.table, self.time_field)

    def _checked(self, words: "DuckDBWords") -> str:
        words.connection.execute("BEGIN; CREATE TABLE pipeline_check (answer INTEGER); ROLLBACK")
        return f"table {self._table} in {self.path}: can write"

    def _patiently(self, work: Callable[["DuckDBWords"], T], *, read_only: bool) -> T:
        # Opened late and closed at once, as an open file keeps every other process out.
        return Retrying(
            retry=retry_if_exception_type(_Busy), wait=wait_random(0.02, 0.25), stop=stop_after_delay(self.wait_seconds), reraise=True
        )(self._opened, work, read_only)

    def _opened(self, work: Callable[["DuckDBWords"], T], read_only: bool) -> T:
        import duckdb

        with _plainly(self.path):
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            with duckdb.connect(self.path, read_only=read_only, config=_SETTINGS) as connection:
                return work(DuckDBWords(connection))


@dataclass(frozen=True, slots=True)
class DuckDBWords:
    """The recipe's dialect on an open connection."""

    connection: "DuckDBPyConnection"
    ledger_types: ClassVar[dict[str, str]] = {"text": "VARCHAR", "integer": "BIGINT", "instant": "TIMESTAMPTZ"}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """BEGIN, then COMMIT or ROLLBACK."""
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(statement, list(values)).fetchall()

    def changed(self, statement: str, values: Sequence[object] = ()) -> int:
        """DuckDB answers a change with one row: how many."""
        return int(self.rows(statement, values)[0][0])

    def quoted(self, name: str) -> str:
        """In double quotes."""
        return '"' + name.replace('"', '""') + '"'

    def moment(self, instant: datetime, column_type: str) -> str:
        """A TIMESTAMPTZ or, for a column without a zone, a TIMESTAMP in UTC."""
        if column_type not in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP"):
            raise BadData(
                f"The target's time column is {column_type}; it must be TIMESTAMP or TIMESTAMPTZ. "
                "Change the column's type, or name another `target.time_field`."
            )
        return f"{column_type} '{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}{'+00' if 'ZONE' in column_type else ''}'"

    def columns(self, table: Table) -> dict[str, str]:
        """From information_schema, in order."""
        return dict(
            self.rows(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
                "AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) ORDER BY column_index",
                (table.schema, table.name),
            )
        )

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        """As DuckDB reads the Parquet; a column of nothing but NULL waits until its type is known."""
        described = self.rows(f"DESCRIBE SELECT * FROM {_relation(staged)}")
        return {name: kind for name, kind, *_ in described if "NULL" not in kind}

    def widens(self, staged_type: str, column_type: str) -> bool:
        """Equal types, wider numbers, and instants in either form of UTC."""
        return staged_type == column_type

    def same_name(self, one: str, other: str) -> bool:
        """DuckDB's columns have no case."""
        return one.lower() == other.lower()

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        """INSERT from the Parquet that DuckDB reads itself."""
        place = f"{self.quoted(table.schema)}.{self.quoted(table.name)}"
        columns = ", ".join(self.quoted(pair.column) for pair in pairs)
        chosen = ", ".join(f"CAST({self.quoted(pair.staged)} AS {pair.type})" for pair in pairs)
        return self.changed(f"INSERT INTO {place} ({columns}) SELECT {chosen} FROM {_relation(staged)}")


def _relation(staged: Staged) -> str:
    # `[` starts a pattern in a path; and the folders' `name=value` must not become columns.
    quoted = ", ".join("'" + re.sub(r"([\[*?])", r"[\1]", path).replace("'", "''") + "'" for path in staged.paths)
    return f"read_parquet([{quoted}], hive_partitioning = false)"


@contextmanager
def _plainly(path: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.TransactionException as raised:
        raise _Busy(f"Another load changed the same rows of {path} at this moment; this one is tried again.") from raised
    except (duckdb.Error, OSError) as raised:
        raise _told(str(raised).partition("\n")[0], path) from raised


def _told(text: str, path: str) -> PipelineError:
    if held := re.search(r"held in (\S+) \(PID (\d+)\)", text):
        return _Busy(f"The DuckDB file {path} is held by process {held[2]} ({held[1]}); end it or wait, then try again.")
    if "Could not set lock" in text or "different configuration" in text:
        return _Busy(f"The DuckDB file {path} is open in another connection; it is tried again.")
    if "not a valid DuckDB database" in text:
        return Misuse(f"{path} is not a DuckDB database: move that file away, or correct `target.path`.")
    if "ermission denied" in text or "Read-only file system" in text:
        return Misuse(f"No permission to write {path}: give this user the right, or change `target.path`.")
    return Unavailable(f"DuckDB file {path}: {text}")

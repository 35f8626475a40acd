"""The recipe's dialect on an open session of MySQL or MariaDB."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from implementations.loading.dialect import LedgerType, Pair, Table, definition, place
from implementations.loading.waiting import Busy
from implementations.loading.widening import fits, number
from implementations.mysql import spelling
from implementations.mysql.session import Session
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.interfaces import Staged

INSTANTS = {"datetime(6)", "timestamp(6)"}
NAME = 190  # letters of a name: four of them are a key, which holds 3,072 bytes
STATEMENT = 2**19  # characters of an INSERT; a server takes 16 MB and more, one row that is longer goes alone
_NUMBERS = {"tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT"}
_NUMBERS |= {"float": "FLOAT", "double": "DOUBLE", "mediumint": "SMALLINT", "tinyint(1)": "TINYINT"}
# Which columns take a text or JSON unchanged, or refuse it aloud; CHAR where no value ends with a space.
_TEXTS = {
    "longtext": r"(var)?char\(\d+\)|(tiny|medium|long)?text|json|enum\(.*|uuid",
    "json": "json|longtext",
    "longblob": r"varbinary\(\d+\)|(tiny|medium|long)?blob",
}
_CASTS = {
    r"(tiny|small|medium|big)?int(\(1\))?|year.*": "SIGNED",
    r"(tiny|small|medium|big)?int unsigned|bit.*": "UNSIGNED",
    "(float|double).*": "DOUBLE",
    r"(decimal\(\d+,\d+\)).*": r"\1",
    r"(datetime|timestamp).*": "DATETIME(6)",
    r"time.*": "TIME(6)",
    "date": "DATE",
    r"(var)?binary.*|.*blob": "BINARY",
}


@dataclass(frozen=True)
class MySQLWords(Session):
    """A session that also knows the recipe's words."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        from pymysql.err import MySQLError

        self.rows("START TRANSACTION")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            with suppress(MySQLError):
                self.rows("ROLLBACK")
            raise
        finally:
            with suppress(MySQLError):
                self.rows("SELECT RELEASE_ALL_LOCKS()")

    def queue(self, table: Table) -> None:
        # By a lock with a name, as definitions commit and take every lock of rows with them.
        name = f"pipeline {sha256(str(table).lower().encode()).hexdigest()[:32]}"
        if self.rows("SELECT GET_LOCK(?, 2)", [name]) != [(1,)]:
            raise Busy(f"Table {table} is being defined by another session: wait for it, or end it.")

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def same_name(self, one: str, other: str) -> bool:
        return _folded(one) == _folded(other)

    def same_table(self, column: str) -> str:
        return f"lower({column}) = lower(?)" if self._folds else f"{column} = ?"

    @cached_property
    def _folds(self) -> bool:
        # Of the whole server, for good: https://mariadb.com/kb/en/identifier-case-sensitivity/.
        return self.rows("SELECT @@lower_case_table_names") != [(0,)]

    def ledger_types(self) -> Mapping[LedgerType, str]:
        kept = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        name, text = f"varchar({NAME}) {kept}", f"varchar(1000) {kept}"
        return {"name": name, "text": text, "integer": "bigint", "instant": "datetime(6)"}

    def moment(self, instant: datetime, column_type: str) -> str | None:
        if column_type not in INSTANTS:
            return None
        naive = instant.astimezone(UTC).replace(tzinfo=None)
        return f"TIMESTAMP'{naive.isoformat(' ', 'microseconds')}'"

    def cast(self, expression: str, column_type: str) -> str:
        for pattern, kind in _CASTS.items():
            if found := re.fullmatch(pattern, column_type):
                return f"CAST({expression} AS {found.expand(kind)})"
        # Letter by letter, whatever the column's own collation takes for the same.
        return f"CAST({expression} AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin"

    def microseconds(self, column: str) -> str:
        return f"TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', {column})"

    def deletion(self, table: Table) -> str:
        # In the form for several tables: only there keys are looked up, instead of every row looked at.
        return f"DELETE {place(self, table)} FROM {place(self, table)}"

    def columns(self, table: Table) -> dict[str, str]:
        from pymysql.err import ProgrammingError

        try:
            found = self.rows(f"SHOW COLUMNS FROM {place(self, table)}")
        except ProgrammingError as missing:
            if missing.args[0] != 1146:
                raise
            return {}
        return {name: _plain(kind) for name, kind, *_ in found}

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        held = [field for field in staged.schema if not pa.types.is_null(field.type)]
        if long := [field.name for field in held if len(field.name) > 64]:
            raise BadData(
                f"The column {long[0]} has more than the 64 letters MySQL keeps: rename it at the source."
            )
        return {field.name: spelling.column_type(field) for field in held}

    def make(self, table: Table, columns: Mapping[str, str]) -> None:
        # Compared letter by letter, as elsewhere; the indexes find a window's rows, and those of a key.
        made = definition(self, table, columns).removesuffix(")")
        keys = f"KEY ({self.quoted(table.time_field)})"
        if table.write.key:
            found = [name for name in columns for key in table.write.key if self.same_name(name, key)]
            parts = (self.quoted(name) + _indexed(columns[name]) for name in [*table.scope, *found])
            keys += f", KEY ({', '.join(parts)})"
        kept = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        self.rows(f"{made}, {keys}) {kept}")

    def incoming(self, table: Table) -> Table:
        made = Table(table.schema, "pipeline_incoming", table.time_field)
        self.rows(f"DROP TEMPORARY TABLE IF EXISTS {place(self, made)}")
        empty = f"SELECT * FROM {place(self, table)} WHERE false"  # noqa: S608
        self.rows(f"CREATE TEMPORARY TABLE {place(self, made)} {empty}")
        return made

    def widens(self, staged_type: str, column_type: str) -> bool:
        staged_type = staged_type.partition(" CHARACTER")[0]
        if staged_type == column_type or {staged_type, column_type} <= INSTANTS:
            return True
        if staged_type in _TEXTS:
            return bool(re.fullmatch(_TEXTS[staged_type], column_type))
        one, other = number(_number(staged_type)), number(_number(column_type))
        return one is not None and other is not None and fits(one, other)

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        rows = _rows(pairs, staged)
        if self.takes_files():
            return self.sent(self._load(table, pairs, staged), map(spelling.lines, rows))
        into = ", ".join(self.quoted(pair.column) for pair in pairs)
        start = f"INSERT INTO {place(self, table)} ({into}) VALUES "  # noqa: S608
        return sum(self.changed(start + values) for values in _statements(rows))

    def takes_files(self) -> bool:
        """Whether the server allows LOAD DATA LOCAL."""
        return self.rows("SELECT @@local_infile") == [(1,)]

    def require_transactions(self, table: Table) -> None:
        """Raise `Misuse` for a table of an engine that cannot take a change back."""
        asked = "SELECT engine FROM information_schema.tables WHERE table_schema = ? AND table_name = ?"
        for (engine,) in self.rows(asked, [table.schema, table.name]):
            if engine and engine != "InnoDB":
                raise Misuse(
                    f"Table {table} is kept by {engine}, which cannot take a change back: "
                    f"ALTER TABLE {place(self, table)} ENGINE = InnoDB, or name another `target.table`."
                )

    def _load(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> str:
        """The statement that reads `spelling.lines`; letters as numbers, as none escapes others here."""
        taken, filled = [], []
        for number_of, pair in enumerate(pairs):
            column = self.quoted(pair.column)
            digits = bool(pair.staged) and spelling.is_binary(staged.schema.field(pair.staged))
            taken.append(f"@digits{number_of}" if digits else column)
            filled += [f"{column} = UNHEX(@digits{number_of})"] if digits else []
        form = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY 0x09 ESCAPED BY 0x5C LINES TERMINATED BY 0x0A"
        load = f"LOAD DATA LOCAL INFILE 'stage' INTO TABLE {place(self, table)} {form} ({', '.join(taken)})"
        return load + (f" SET {', '.join(filled)}" if filled else "")


def _rows(pairs: Sequence[Pair], staged: Staged) -> Iterator[pa.RecordBatch]:
    """The staged rows, a little at a time, with the columns of the pairs in their order."""
    for batch in staged.batches():
        columns = {pair.column: _column(pair, batch) for pair in pairs}
        yield from spelling.pieces(pa.RecordBatch.from_pydict(columns))


def _column(pair: Pair, batch: pa.RecordBatch) -> pa.Array:
    if not pair.staged:
        return pa.array([None if pair.value is None else str(pair.value)] * batch.num_rows, pa.string())
    column = batch.column(pair.staged)
    if pair.type.startswith("char(") and pc.any(pc.ends_with(column.cast(pa.string()), " ")).as_py():
        raise BadData(
            f"Column {pair.column} is {pair.type}, which loses the spaces that some values end with: "
            "make it varchar."
        )
    return column


def _statements(rows: Iterator[pa.RecordBatch]) -> Iterator[str]:
    """Lists of values, joined up to the length of a statement."""
    held: list[str] = []
    length = 0
    for values in (values for batch in rows for values in spelling.literals(batch)):
        length += len(values)
        if held and length > STATEMENT:
            yield ",".join(held)
            held, length = [], len(values)
        held.append(values)
    if held:
        yield ",".join(held)


def _plain(kind: str | bytes) -> str:
    """A column's type without the width to which whole numbers are shown; tinyint(1) is a boolean."""
    kind = kind.decode() if isinstance(kind, bytes) else kind
    found = re.fullmatch(r"(\w*int)(\(\d+\))?( unsigned)?( zerofill)?", kind)
    if not found or kind == "tinyint(1)":
        return kind
    return f"{found[1]}{found[3] or ''}"


def _indexed(kind: str) -> str:
    """How much of a column an index holds, where it cannot hold all of it."""
    return "(190)" if re.match("longtext|longblob|json", kind) else ""


def _number(kind: str) -> str:
    name, _, sign = kind.partition(" ")
    return ("U" if sign == "unsigned" else "") + _NUMBERS.get(name, name.replace("decimal(", "DECIMAL("))


def _folded(name: str) -> str:
    """A column's name as utf8_general_ci compares it: without case and accents."""
    apart = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()

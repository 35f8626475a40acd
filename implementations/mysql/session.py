"""Sessions of MySQL and MariaDB: statements, files that are sent, and whose they are."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from implementations.loading.dialect import Table
from implementations.loading.waiting import window_key
from implementations.mysql.address import CONNECT, Address, plainly
from pipeline_framework.interfaces import Lock

if TYPE_CHECKING:
    from pymysql import Connection

# Strict, or values are cut in silence; and whatever a server's own settings might leave out is switched off.
# Locks are waited for in short turns, between which an overtaken owner is looked for.
_SETTINGS = {
    "sql_mode": "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'",
    "time_zone": "'+00:00'",
    "innodb_lock_wait_timeout": "2",
    "lock_wait_timeout": "2",
    "default_storage_engine": "InnoDB",
    "sql_auto_is_null": "0",
    "sql_safe_updates": "0",
    "sql_select_limit": str(2**64 - 1),
    "sql_notes": "1",
    "max_error_count": "64",
}
_PACKET = 2**20  # bytes: below what any server takes at a time, however large a row is


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection in which every statement stands for itself until one says BEGIN.

    `sign` is written in front of each statement, for others to see whose it is.
    """

    connection: "Connection"
    sign: str = ""

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, none for a change; `?` stands for each value."""
        with self.connection.cursor() as cursor:
            cursor.execute(self.sign + self._filled(statement, values))
            if cursor.description:
                self._require_quiet(cursor.warning_count)
            return list(cursor.fetchall())

    def changed(self, statement: str, values: Sequence[object] = ()) -> int:
        """Rows that a change found; a value that was changed on the way in is an error."""
        with self.connection.cursor() as cursor:
            found = int(cursor.execute(self.sign + self._filled(statement, values)))
            self._require_quiet(cursor.warning_count)
            return found

    def sent(self, statement: str, chunks: Iterable[bytes | memoryview]) -> int:
        """Rows of a LOAD DATA LOCAL whose file is these chunks; `statement` names it as the server will.

        PyMySQL would open whatever file of this host the server asks for: nothing but the chunks goes out.
        """
        from pymysql.connections import COMMAND, LoadLocalPacketWrapper, OKPacketWrapper
        from pymysql.err import MySQLError

        link: Any = self.connection
        link._execute_command(COMMAND.COM_QUERY, self.sign + statement)  # noqa: SLF001 - there is no public way
        LoadLocalPacketWrapper(link._read_packet())  # noqa: SLF001
        try:
            for chunk in chunks:
                for first in range(0, len(chunk), _PACKET):
                    link.write_packet(chunk[first : first + _PACKET])
        except BaseException:
            with suppress(MySQLError):
                if link.open:
                    link.write_packet(b"")
                    link._read_packet()  # noqa: SLF001
            raise
        link.write_packet(b"")
        done = OKPacketWrapper(link._read_packet())  # noqa: SLF001
        self._require_quiet(done.warning_count)
        return int(done.affected_rows)

    @contextmanager
    def streamed(self, query: str) -> Iterator[Any]:
        """A cursor that takes rows as the server sends them; those that nobody took are not waited for."""
        from pymysql.cursors import SSCursor

        cursor = self.connection.cursor(SSCursor)
        cursor.execute(query)
        try:
            yield cursor
        finally:
            cursor._result.unbuffered_active = False  # noqa: SLF001 - else it reads the rest to the end
            cursor._result.connection = cursor.connection = None  # noqa: SLF001

    @staticmethod
    def _filled(statement: str, values: Sequence[object]) -> str:
        """The statement with a literal for each `?` that stands outside of a quoted name or text."""
        if not values:
            return statement
        pieces, places = re.split(r"(`[^`]*`|'[^']*'|\?)", statement), map(_literal, values)
        return "".join(next(places) if piece == "?" else piece for piece in pieces)

    def _require_quiet(self, warnings: int) -> None:
        # Of its notes a server means only that of a cut value (1265) as a loss.
        from pymysql.err import DataError

        if not warnings:
            return
        for level, code, text in self.connection.show_warnings() or ():
            if level != "Note" or code == 1265:
                raise DataError(code, text)


@contextmanager
def opened(address: Address, where: str, sign: str = "", silence: int = 60) -> Iterator[Session]:
    """A session, closed at the end; whatever is raised comes out as an error of the framework.

    `silence`: seconds after which the server ends a session that says or takes nothing.
    """
    import pymysql
    from pymysql.constants import CLIENT

    with plainly(address, where):
        flags = {"client_flag": CLIENT.FOUND_ROWS | CLIENT.LOCAL_FILES, "defer_connect": True}
        connection = pymysql.Connection(**address.settings(), **flags, read_timeout=CONNECT)
        connection.connect(address.reached())
        connection._read_timeout = None  # noqa: SLF001 - a statement takes as long as it takes
        try:
            session = Session(connection, sign)
            limits = dict.fromkeys(("wait_timeout", "net_read_timeout", "net_write_timeout"), str(silence))
            listed = ", ".join(f"SESSION {name} = {value}" for name, value in (_SETTINGS | limits).items())
            session.rows(f"SET {listed}")
            session.rows("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            session.rows("SET autocommit = 1")
            yield session
        finally:
            connection._force_close()  # noqa: SLF001 - at once, also in the middle of an answer


def _literal(value: object) -> str:
    """A number, text or instant as it stands in a statement, where no letter escapes another."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f"'{value.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'microseconds')}'"
    return "'" + str(value).replace("'", "''") + "'"


def sign_of(table: Table, lock: Lock) -> str:
    """How SHOW PROCESSLIST shows a load: pipeline, window, key and epoch."""
    pipeline = re.sub(r"\W", "_", lock.pipeline_id, flags=re.ASCII)[:20]
    return f"/* {pipeline} {lock.window.start:%Y%m%dT%H%M} {window_key(table, lock)} {lock.epoch} */ "


def end_overtaken(session: Session, table: Table, lock: Lock) -> int:
    """End the sessions whose statement carries an older epoch of this very window alone; how many."""
    from pymysql.err import MySQLError

    ended, signed = 0, re.compile(rf"/\* \S+ \S+ {window_key(table, lock)} (\d+) \*/")
    for number, *_, statement in (row[:8] for row in session.rows("SHOW FULL PROCESSLIST")):
        found = signed.match(statement or "")
        if found and int(found[1]) < lock.epoch:
            with suppress(MySQLError):  # gone by itself
                session.rows(f"KILL {int(number)}")
                ended += 1
    return ended

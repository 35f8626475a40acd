"""A table of MySQL or MariaDB as target; any number of processes may load into it at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import NonNegativeFloat, SecretStr

from implementations.loading import ledger, transaction
from implementations.loading.dialect import Contract, Table, place
from implementations.loading.waiting import patiently
from implementations.loading.write_modes import Write
from implementations.mysql.address import Address, plainly
from implementations.mysql.session import end_overtaken, opened, sign_of
from implementations.mysql.words import NAME, MySQLWords
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.windows import Window

T = TypeVar("T")
# Statements that change nothing and are refused without the right to them, before a missing table is noticed.
_PROBES = {
    "SELECT": "SELECT 1 FROM {0} WHERE false",
    "INSERT": "INSERT INTO {0} SELECT * FROM {0} WHERE false",
    "UPDATE": "UPDATE {0} SET epoch = epoch WHERE false",
    "DELETE": "DELETE FROM {0} WHERE false",
    "CREATE": "CREATE TABLE {0} LIKE {1}",
}


@dataclass(frozen=True)
class MySQLTarget:
    """One table of MySQL 8 or MariaDB 10.6 and newer (`type: mysql`), made from the first window's columns.

    `url`: `mysql://user:password@host:3306/database`, with `?ssl_ca=...&ssl_verify_identity=true` and the
    like where wanted, or in its place `conn_id`, the name of a connection; to the server itself, as a pooler
    takes the session away between two statements. `table`: made where it is missing. `time_field`: a column
    of DATETIME(6) or TIMESTAMP(6), taken as UTC. `scope`: values by column that mark this pipeline's rows of
    a table shared with others. `write`: what a window's rows do with those that are there. `contract`: what a
    staged column does that the table lacks: it is added (`evolve`), refused (`freeze`) or left out
    (`discard`). `wait_seconds`: how long to wait for locks of others.
    """

    url: SecretStr
    table: str
    time_field: str
    scope: Mapping[str, str | int] = field(default_factory=dict)
    write: Write = field(default_factory=Write)
    contract: Contract = "evolve"
    wait_seconds: NonNegativeFloat = 120.0

    def check(self) -> str:
        return f"{self._address.shown}: can write; {self._asked(self._ready)}"

    def count(self, window: Window) -> int | None:
        return self._asked(lambda words: transaction.count(words, self._table, window))

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        return self._held(lock, lambda words: transaction.load(words, self._table, lock, staged))

    def loaded(self, lock: Lock) -> Loaded | None:
        return self._asked(lambda words: ledger.loaded(words, self._table, lock))

    def clear(self, lock: Lock) -> None:
        self._held(lock, lambda words: transaction.clear_window(words, self._table, lock))

    @property
    def _table(self) -> Table:
        database = self._address.database
        return Table(database, self.table, self.time_field, self.scope, self.write, self.contract)

    @property
    def _address(self) -> Address:
        return Address(self.url)

    def _asked(self, work: Callable[[MySQLWords], T]) -> T:
        with opened(self._address, str(self._table)) as session:
            return work(MySQLWords(session.connection))

    def _held(self, lock: Lock, work: Callable[[MySQLWords], T]) -> T:
        where = str(self._table)
        _require_short(lock, self._table)
        with opened(self._address, where) as session:
            words = MySQLWords(session.connection, sign_of(self._table, lock))

            def turn() -> T:
                with plainly(self._address, where):
                    words.require_transactions(self._table)
                    return work(words)

            return patiently(turn, self.wait_seconds, lambda: end_overtaken(session, self._table, lock))

    def _ready(self, words: MySQLWords) -> str:
        loads = Table(self._table.schema, ledger.NAME, "")
        lacking = [
            f"{right} on {place(words, table)}"
            for table, rights in ((self._table, "SELECT INSERT DELETE"), (loads, "SELECT INSERT UPDATE"))
            for right in (*rights.split(), *(() if words.columns(table) else ("CREATE",)))
            if not _may(words, right, table)
        ]
        if lacking:
            raise Misuse(f"{self._address.shown} may not be written: grant {', '.join(lacking)}.")
        words.require_transactions(self._table)
        there = "is there" if transaction.ready(words, self._table) else "will be made"
        way = "" if words.takes_files() else "; rows go in by INSERT, as its local_infile is off"
        return f"the table {self._table} {there}{way}"


def _require_short(lock: Lock, table: Table) -> None:
    key = {"pipeline_id": lock.pipeline_id, "mapping_name": lock.mapping_name}
    for name, text in {**key, "target.scope": table.scope_text}.items():
        if len(text) > NAME:
            raise Misuse(
                f"`{name}` has {len(text)} letters as {ledger.NAME} keeps it, which holds {NAME} on MySQL: "
                "make it shorter."
            )


def _may(words: MySQLWords, right: str, table: Table) -> bool:
    from pymysql.err import MySQLError

    nowhere = Table(table.schema, "pipeline_no_such_table", "")
    try:
        words.rows(_PROBES[right].format(place(words, table), place(words, nowhere)))
    except MySQLError as refused:
        if refused.args[0] in {1044, 1142, 1143}:
            return False
        if refused.args[0] != 1146:
            raise
    return True

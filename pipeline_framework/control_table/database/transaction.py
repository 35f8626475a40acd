"""One connection between BEGIN and COMMIT."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import Any, Self

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from pipeline_framework.control_table import statements
from pipeline_framework.control_table.database.engine import safe_text
from pipeline_framework.control_table.database.refusals import InDoubt, refusal
from pipeline_framework.control_table.database.values import BINDERS, python_row
from pipeline_framework.errors import Unavailable

Row = dict[str, Any]
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


class Transaction:
    """Statements that happen together or not at all: without `commit`, leaving the block takes them back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._sqlite = self._dialect == "sqlite"
        self._bind = BINDERS[self._dialect]
        self._errors = connection.dialect.loaded_dbapi.Error
        self._holds_lock = False
        if not self._sqlite:
            connection.begin()

    def run(self, name: str, /, **parameters: object) -> list[Row]:
        """The rows of one named statement.

        By the driver's own cursor: SQLAlchemy would describe 50 columns anew each time, half of the work.
        """
        bound = {parameter: self._bind(value) for parameter, value in parameters.items()}
        driver = self._connection.connection
        try:
            with closing(driver.cursor()) as cursor:
                cursor.execute(_for_driver(self._dialect, name), bound)
                names = [column[0] for column in cursor.description or ()]
                rows = cursor.fetchall() if names else []
        except self._errors as error:
            if self._connection.dialect.is_disconnect(error, driver.driver_connection, None):
                self._connection.invalidate(error)
            raise _told(error, self._connection.engine.url) from None
        return [python_row(zip(names, row, strict=True)) for row in rows]

    def script(self, sql: str) -> None:
        """Run a migration: many statements, without parameters and without a percent sign."""
        with refusing(self._connection.engine.url):
            for statement in _complete_statements(sql) if self._sqlite else [sql]:
                self._connection.exec_driver_sql(statement)

    def begin(self) -> Self:
        """Take SQLite's write lock now, for a transaction that reads first could not get it later."""
        try:
            if self._sqlite:
                self._connection.exec_driver_sql("BEGIN IMMEDIATE")
                self._holds_lock = True
        except BaseException:
            self._connection.close()
            raise
        return self

    def commit(self) -> None:
        """Make it last. Raises `InDoubt` when the connection broke on the way."""
        try:
            with refusing(self._connection.engine.url):
                if self._holds_lock:
                    self._connection.exec_driver_sql("COMMIT")
                    self._holds_lock = False
                self._connection.commit()
        except Unavailable as error:
            if self._connection.invalidated:
                raise InDoubt(
                    f"{error} It broke during COMMIT: whether the move was made is unknown."
                ) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(SQLAlchemyError), self._connection:
            if self._holds_lock:
                self._connection.exec_driver_sql("ROLLBACK")


@cache
def _for_driver(dialect: str, name: str) -> str:
    """A statement with its parameters as the driver writes them; made once in a process."""
    written = statements.load(dialect)[name].text
    return written if dialect == "sqlite" else _PARAMETER.sub(r"%(\1)s", written.replace("%", "%%"))


@contextmanager
def refusing(url: URL) -> Iterator[None]:
    """Let only errors of our tree out of the block, none of them with the password."""
    try:
        yield
    except DBAPIError as error:
        raise _told(error.orig or error, url) from None
    except sqlite3.Error as error:  # of the pragmas, which SQLAlchemy does not wrap
        raise _told(error, url) from None
    except PoolExhausted:
        raise Unavailable(
            f"control database {safe_text(url)}: this process uses all its connections."
        ) from None


def _told(error: BaseException, url: URL) -> Exception:
    told = refusal(error, safe_text(url))
    if not url.password:
        return told
    password = rf"(?<!\w){re.escape(str(url.password))}(?!\w)"  # a password of one letter spares the words
    return type(told)(re.sub(password, "***", str(told)))


def _complete_statements(sql: str) -> Iterator[str]:
    """SQLite's driver takes one statement at a time, and its script runner would commit before."""
    collected = ""
    for piece in sql.split(";")[:-1]:
        collected += piece + ";"
        if sqlite3.complete_statement(collected):  # a trigger, or a text, may hold a semicolon
            yield collected
            collected = ""

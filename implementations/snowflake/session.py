"""Sessions of Snowflake, what they say on going wrong, and whose they are."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from implementations.loading.dialect import Table
from implementations.loading.faults import Fault, told
from implementations.loading.waiting import Busy, window_key
from implementations.snowflake.account import Account
from pipeline_framework.errors import BadData, Misuse, PipelineError, StageLost, Unavailable
from pipeline_framework.interfaces import Lock

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.errors import Error

# https://docs.snowflake.com/en/sql-reference/parameters; what a user's account may have set otherwise.
_SETTINGS = {
    "TIMEZONE": "UTC",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    "ABORT_DETACHED_QUERY": True,
    # Seconds: locks are waited for in turns, between which an overtaken owner is looked for.
    "LOCK_TIMEOUT": 10,
}


class Lost(Busy):
    """The connection is gone: the next turn asks whether the last statement was done."""


GIVES_NONE = "gives its role no {}: correct it in `url`, or grant USAGE on it."
# https://docs.snowflake.com/en/sql-reference/data-types-text; a column without a length may hold an eighth.
LONGEST_TEXT = 128 * 1024**2
# What the driver puts before a text: other things at other levels of its log.
_NUMBERS = r"^(\d+ \([^)]*\): )?((\d+|None|[-\w]{36}): )*"
# `errno sqlstate text`; codes and words as in the driver's and users' reports of them.
_FAULTS = (
    Fault(r"^000625|^0006\d\d .*lock|has locked table|LOCK_TIMEOUT|deadlock", Busy, "is locked: {text}"),
    Fault(
        "already exists|was aborted by|transaction .* aborted", Busy, "was changed by another session: {text}"
    ),
    Fault(
        "^000630|statement or warehouse timeout", Unavailable, "took longer than `statement_timeout_seconds`."
    ),
    Fault("390100|ncorrect username or password", Misuse, "refuses user or password: correct them in `url`."),
    Fault(
        "390144|JWT token is invalid",
        Misuse,
        "refuses `private_key`: register its public half with the user.",
    ),
    Fault("3903(03|18)|OAuth access token", Misuse, "refuses `token`: get a new one."),
    Fault(
        r"390189|Role '(.*)' specified",
        Misuse,
        "does not let this user take its role: correct `role` in `url`.",
    ),
    Fault("290404|404 Not Found", Misuse, "is no account of Snowflake: correct the account in `url`."),
    Fault(
        r"(IP\S* \S+) is not allowed to access Snowflake",
        Misuse,
        "refuses {0}: let the network policy of this user allow the address of this host.",
    ),
    Fault("^000606|No active warehouse", Misuse, GIVES_NONE.format("warehouse")),
    Fault(
        "(Database|Schema|Stage)(?: with name)? '?([^' ]*)'? does not exist",
        Misuse,
        "lacks the {0} {1}, or this role may not use it: correct `url`, `schema` or `stage`.",
    ),
    Fault("^090105", Misuse, GIVES_NONE.format("database")),
    Fault("^090106", Misuse, GIVES_NONE.format("schema")),
    Fault(
        "read.?only|shared database|secondary",
        Misuse,
        "is read-only ({text}): name another database in `url`.",
    ),
    Fault(
        "^003001|Insufficient privileges",
        Misuse,
        "may not be written by this role ({text}): grant it, or correct `role` in `url`.",
    ),
    Fault(
        "Remote file .* was not found",
        StageLost,
        "could not read what is staged, so it is staged again: {text}",
    ),
    Fault(
        "Access Denied|Failure using stage area",
        Misuse,
        "cannot read the stage, for which it lacks rights: {text}",
    ),
    Fault(
        "^390(104|108|11[124]|195)|^25000[1235]|^251011|HTTP 5..",
        Lost,
        "does not answer ({text}): correct account and host of `url`, or try later.",
    ),
    Fault("^00060[34]|^30000|internal error", Unavailable, "failed by itself: {text}"),
    Fault(
        "^100082|Max LOB size|too long and would be truncated",
        BadData,
        "has too short a column for a value that is staged ({text}): shorten it at the source, or widen the "
        f"column, of text to VARCHAR({LONGEST_TEXT}) at most.",
    ),
    Fault(
        r"^\d+ 2[23]|^100\d\d\d|NOT NULL constraint|NULL result in a non-nullable",
        BadData,
        "cannot hold what is staged ({text}): correct the rows, or change the table.",
    ),
)


@dataclass(slots=True)
class Session:
    """An open session; nothing lasts until COMMIT."""

    connection: "SnowflakeConnection"

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query; `?` stands for each value."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, list(map(_bound, values)) or None)
            return list(cursor.fetchall())

    def changed(self, statement: str, values: Sequence[object] = ()) -> int:
        """Rows that a change touched."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, list(map(_bound, values)) or None)
            return cursor.rowcount or 0

    def named(self, statement: str) -> list[dict[str, Any]]:
        """The rows of a command by the names of its columns."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            names = [column.name.lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def put(self, file: IO[bytes], name: str, stage: str) -> None:
        """Send a file to a stage; as a stream, whatever the path is called."""
        sent = (
            f"PUT 'file://{name}' @{stage} AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = NONE OVERWRITE = TRUE"
        )
        with self.connection.cursor() as cursor:
            cursor.execute(sent, file_stream=file)


@contextmanager
def opened(account: Account, table: Table, settings: dict[str, Any]) -> Iterator[Session]:
    """A session, closed at the end; whatever is raised comes out as an error of the framework."""
    from snowflake import connector

    with plainly(account, str(table)):
        connection = connector.connect(
            **account.arguments() | {"schema": table.schema},
            session_parameters=_SETTINGS | settings,
            autocommit=False,  # what follows a transaction that somebody else ended must not last
            paramstyle="qmark",
            application="pipeline_framework",
        )
        try:
            yield Session(connection)
        finally:
            connection.close()


@contextmanager
def plainly(account: Account, where: str) -> Iterator[None]:
    """What the driver raises, as an error of the framework."""
    from snowflake.connector.errors import Error

    try:
        yield
    except Error as raised:
        raise _fault(raised, account, where) from None


def _fault(raised: "Error", account: Account, where: str) -> PipelineError:
    from snowflake.connector.errors import ForbiddenError, ProgrammingError

    text = re.sub(_NUMBERS, "", " ".join(str(raised.msg or raised).split()))
    state = "" if raised.sqlstate in {None, "n/a"} else f"{raised.sqlstate} "
    said = f"{raised.errno or 0:06d} {state}{account.without_secrets(text)}"
    kind = Misuse if isinstance(raised, ProgrammingError | ForbiddenError) else Unavailable
    return told(said, account.of(where), _FAULTS, kind)


def query_tag(lock: Lock) -> str:
    """How the query history shows a load."""
    shown = {"pipeline": lock.pipeline_id, "mapping": lock.mapping_name, "window": str(lock.window)}
    return json.dumps({**shown, "epoch": lock.epoch}, ensure_ascii=False)[:2000]


def transaction_name(table: Table, lock: Lock) -> str:
    """How SHOW TRANSACTIONS shows a load: a key of the window and the epoch."""
    return f"PIPELINE_{window_key(table, lock).upper()}_{lock.epoch}"


def end_overtaken(session: Session, name: str) -> int:
    """End what older epochs of this window, or a lost connection of ours, left open; how many.

    A transaction without its session keeps its locks for minutes; one that is ended or was committed
    leaves its word in the ledger (https://docs.snowflake.com/en/sql-reference/transactions).
    """
    key, _, epoch = name.rpartition("_")
    ended = 0
    for row in session.named("SHOW TRANSACTIONS"):
        theirs, _, older = str(row["name"]).rpartition("_")
        if theirs == key and older.isdecimal() and int(older) <= int(epoch):
            session.rows(f"SELECT SYSTEM$ABORT_TRANSACTION({int(row['id'])})")
            ended += 1
    return ended


def _bound(value: object) -> object:
    return ("TIMESTAMP_LTZ", value) if isinstance(value, datetime) else value

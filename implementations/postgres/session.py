"""Connections to PostgreSQL, what they say on going wrong, and whose they are."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

from implementations.loading.dialect import Table
from implementations.loading.faults import Fault, told
from implementations.loading.waiting import Busy, window_key
from pipeline_framework.errors import BadData, Misuse, PipelineError, Unavailable
from pipeline_framework.interfaces import Lock

if TYPE_CHECKING:
    from adbc_driver_manager import Error
    from adbc_driver_manager.dbapi import _SharedDatabase
    from adbc_driver_postgresql.dbapi import Connection

# Seconds and milliseconds of libpq; a silent network is noticed after a minute. What the address says wins.
_LIBPQ = {"connect_timeout": 10, "keepalives_idle": 20, "keepalives_interval": 10, "tcp_user_timeout": 60_000}
# Locks are waited for in short turns, between which an overtaken owner is looked for; a client that
# stopped inside a transaction holds its locks for a minute at most.
_SETTINGS = {"TimeZone": "UTC", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "60s"}


# By https://www.postgresql.org/docs/current/errcodes-appendix.html; a refused connection has no code.
_UNFIT = "cannot hold what is staged ({text}): correct the rows, or change the table."
_FAULTS = (
    Fault(r"^(55P03|57014)", Busy, "is locked by another session: wait for it, or end it."),
    Fault(
        "^(40001|40P01|42P07|42701)|^23505 .*pg_(type|class|attribute)_",
        Busy,
        "was changed by another session at this moment: try again.",
    ),
    Fault(
        "password authentication failed|no pg_hba.conf entry|role .* does not exist",
        Misuse,
        "refuses the login: correct user and password of `url`, or the connection.",
    ),
    Fault(
        'database ".*" does not exist', Misuse, "does not exist: correct the database in `url`, or create it."
    ),
    Fault('invalid (integer|URI|connection|percent)|missing "="', Misuse, "has a `url` that cannot be read."),
    Fault(
        r"^42501 (.+?)(?: LINE \d.*)?$",
        Misuse,
        "may not be used for want of permission ({0}): grant it to the user of `url`.",
    ),
    Fault(r"^3F000|schema .* does not exist", Misuse, "has no such schema: correct `schema`, or create it."),
    Fault(r"^(22|23)|Can't map|Postgres array type", BadData, _UNFIT),
    Fault(
        "Failed to connect: (.+)",
        Unavailable,
        "does not answer ({0}): start it, or correct host and port of `url`.",
    ),
)


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address; `shown` is the part of it without user and password."""

    url: SecretStr

    @property
    def shown(self) -> str:
        return f"{self._parts.netloc.rpartition('@')[2] or 'localhost'}{self._parts.path}"

    @property
    def libpq(self) -> str:
        """The address for libpq."""
        parts = self._parts
        if not re.match(r"postgres(ql)?(\+|$)", parts.scheme):
            raise Misuse(f"{self.shown}: `url` must begin with postgresql://, not with {parts.scheme}://.")
        options = {**_LIBPQ, **dict(parse_qsl(parts.query))}
        # Escaped anew: what stands behind an @ in a password libpq would take for a host, and tell.
        login, at, place = parts.netloc.rpartition("@")
        login = ":".join(quote(unquote(part), safe="") for part in login.split(":", 1))
        query = urlencode(options, quote_via=quote)
        return parts._replace(scheme="postgresql", netloc=f"{login}{at}{place}", query=query).geturl()

    def without_secrets(self, text: str) -> str:
        password = self._parts.password or dict(parse_qsl(self._parts.query)).get("password", "")
        for secret in filter(None, {password, unquote(password)}):
            text = text.replace(secret, "**********")
        return text

    @property
    def _parts(self) -> SplitResult:
        try:
            return urlsplit(self.url.get_secret_value())
        except ValueError as unreadable:
            raise Misuse(f"`url` cannot be read ({unreadable}): correct it, or the connection.") from None


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection in which every statement stands for itself until one says BEGIN."""

    connection: "Connection"

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, none for a change; `?` stands for each value."""
        with self.connection.cursor() as cursor:
            cursor.execute(_numbered(statement) if values else statement, list(values) or None)
            return cursor.fetchall() if cursor.description else []

    def changed(self, statement: str, values: Sequence[object] = ()) -> int:
        """Rows that a change without values touched, as the driver counts only those; else as returned."""
        if values:
            return len(self.rows(f"{statement} RETURNING 1", values))
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return int(cursor.rowcount)


@contextmanager
def opened(address: Address, where: str, application: str) -> Iterator[Session]:
    """A session, closed at the end; whatever is raised comes out as an error of the framework.

    pg_stat_activity shows it by the name `application`.
    """
    with plainly(address, where), _connected(address.libpq) as connection:
        session = Session(connection)
        wanted = {**_SETTINGS, "application_name": application}
        settings = (f"set_config('{name}', '{value}', false)" for name, value in wanted.items())
        session.rows(f"SELECT {', '.join(settings)}")
        yield session


def _connected(url: str) -> "Connection":
    from adbc_driver_manager import AdbcConnection
    from adbc_driver_postgresql import dbapi

    shared = _shared(url)
    return dbapi.Connection(shared, AdbcConnection(shared._db), autocommit=True)  # noqa: SLF001


@cache
def _shared(url: str) -> "_SharedDatabase":
    """What connections to one address have in common: the server's types, most of the time of a connection.

    No connection is among it. `dbapi.connect` would ask for the types each time.
    """
    import adbc_driver_postgresql
    from adbc_driver_manager.dbapi import _SharedDatabase

    return _SharedDatabase(adbc_driver_postgresql.connect(url))


@contextmanager
def plainly(address: Address, where: str) -> Iterator[None]:
    """What the driver raises, as an error of the framework."""
    from adbc_driver_manager import Error

    try:
        yield
    except Error as raised:
        raise _fault(raised, address, where) from None


def _fault(raised: "Error", address: Address, where: str) -> PipelineError:
    """What a driver's error means; its text without the password."""
    text = address.without_secrets(" ".join(str(raised).split()))
    said = re.sub(r"^.*?(?:ERROR|FATAL): +|[. ]*(Query was: .*)?SQLSTATE: \w+$|^[A-Z_]+: ", "", text)
    code = raised.sqlstate or ""
    kind = Misuse if code[:2] == "42" else Unavailable
    return told(f"{code} {said}".strip(), f"{address.shown} (table {where})", _FAULTS, kind)


def application_name(table: Table, lock: Lock) -> str:
    """How pg_stat_activity shows a load, within the 63 bytes it keeps: pipeline, window, key and epoch."""
    return f"{lock.pipeline_id[:20]} {lock.window.start:%Y%m%dT%H%M} {window_key(table, lock)} {lock.epoch}"


def end_overtaken(session: Session, table: Table, lock: Lock) -> int:
    """End the backends that carry an older epoch of this very window, and no others; how many."""
    ended = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND usename = current_user "
        "AND application_name ~ ? AND substring(application_name FROM '[0-9]+$')::numeric < ?::numeric"
    )
    return len(session.rows(ended, [f" {window_key(table, lock)} [0-9]+$", str(lock.epoch)]))


def _numbered(statement: str) -> str:
    """`$1`, `$2`, … for each `?` that stands outside of a quoted name or text."""
    pieces = re.split(r"(\"[^\"]*\"|'[^']*'|\?)", statement)
    places = iter(range(1, len(pieces)))
    return "".join(f"${next(places)}" if piece == "?" else piece for piece in pieces)

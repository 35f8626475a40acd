"""Where a MySQL or MariaDB is, and what it says on going wrong."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from implementations.loading.faults import Fault, told
from implementations.loading.waiting import Busy
from pipeline_framework.errors import BadData, Misuse, PipelineError, Unavailable

CONNECT = 10  # seconds for a connection and its greeting
# A silent network is noticed after a minute: seconds, and milliseconds for the last.
_KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_USER_TIMEOUT": 60_000}
_TLS = ("ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity", "ssl_disabled")


# By https://mariadb.com/docs/server/reference/error-codes and MySQL's list, whose numbers are the same.
_FAULTS = (
    Fault(r"^1205 ", Busy, "is locked by another session: wait for it, or end it."),
    Fault(
        r"^(1213|1020|1412|1050|1060|1061) ",
        Busy,
        "was changed by another session at this moment: try again.",
    ),
    Fault(
        r"^(1045|1698|1130|1862|2059) ",
        Misuse,
        "refuses the login: correct user and password of `url`, or the connection.",
    ),
    Fault(r"^1049 ", Misuse, "does not exist: correct the database in `url`, or create it."),
    Fault(
        r"^(1044|1142|1143|1227|1370) ",
        Misuse,
        "may not be used for want of permission ({text}): grant it to the user of `url`.",
    ),
    Fault(r"^(1290|1836) ", Misuse, "is on a server that only reads: name the one that writes in `url`."),
    Fault(
        r"^(1048|1059|1062|1074|1113|1117|1118|1136|1153|1166|1264|1265|1292|1301|1364|1366|1367|1406|1411|1426"
        r"|1452|1690|3140|3819|4025) ",
        BadData,
        "cannot hold what is staged ({text}): correct the rows, or change the table.",
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
    def database(self) -> str:
        """The database that the address names; `Misuse` where it names none."""
        if name := unquote(self._parts.path.strip("/")):
            return name
        raise Misuse(f"{self.shown} names no database: write `url` as mysql://user:password@host/database.")

    def settings(self) -> dict[str, Any]:
        """The address as PyMySQL takes it."""
        parts = self._parts
        if not re.match(r"(mysql|mariadb)(\+|$)", parts.scheme):
            raise Misuse(f"{self.shown}: `url` must begin with mysql://, not with {parts.scheme}://.")
        options = dict(parse_qsl(parts.query))
        if unknown := sorted(options.keys() - {*_TLS, "charset"}):
            raise Misuse(f"{self.shown}: `url` has the option {unknown[0]}; there are {', '.join(_TLS)}.")
        words: dict[str, object] = {"true": True, "false": False}
        tls = {name: words.get(value, value) for name, value in options.items()}
        login = {
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or "").encode(),
        }
        host = {"host": parts.hostname or "localhost", "charset": "utf8mb4", "collation": "utf8mb4_bin"}
        return {**tls, **login, **host, "database": self.database}

    def reached(self) -> socket.socket:
        """A connection of the network to the server."""
        try:
            place = (self._parts.hostname or "localhost", self._parts.port or 3306)
            reached = socket.create_connection(place, CONNECT)
        except ValueError as unreadable:
            raise Misuse(f"{self.shown}: `url` cannot be read ({unreadable}): correct it.") from None
        except OSError as refused:
            raise Unavailable(
                f"{self.shown} does not answer ({refused}): start it, or correct host and port of `url`."
            ) from None
        reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reached.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                reached.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return reached

    def without_secrets(self, text: str) -> str:
        password = self._parts.password or ""
        for secret in filter(None, {password, unquote(password)}):
            text = text.replace(secret, "**********")
        return text

    @property
    def _parts(self) -> SplitResult:
        try:
            return urlsplit(self.url.get_secret_value())
        except ValueError as unreadable:
            raise Misuse(f"`url` cannot be read ({unreadable}): correct it, or the connection.") from None


@contextmanager
def plainly(address: Address, where: str) -> Iterator[None]:
    """What the driver raises, as an error of the framework."""
    from pymysql.err import Error

    try:
        yield
    except Error as raised:
        raise _fault(raised, address, where) from None


def _fault(raised: Exception, address: Address, where: str) -> PipelineError:
    """What a driver's error means; its text without the password."""
    from pymysql import err

    code, *said = raised.args if len(raised.args) > 1 else (0, raised)
    kind: type[PipelineError] = Unavailable
    if isinstance(raised, err.ProgrammingError | err.NotSupportedError):
        kind = Misuse
    elif isinstance(raised, err.DataError | err.IntegrityError):
        kind = BadData
    text = address.without_secrets(" ".join(str(said[0]).split()).rstrip("."))
    return told(f"{code} {text}", f"{address.shown} (table {where})", _FAULTS, kind)

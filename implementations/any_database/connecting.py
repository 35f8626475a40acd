"""Connections by SQLAlchemy: one transaction of the strictest snapshot that a system has, and its errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from implementations.loading.faults import Fault, told
from pipeline_framework.errors import BadData, Misuse, PipelineError, Unavailable

# Drivers of ours where an address names none, and the snapshot in which a transaction sees one state.
_DRIVERS = {"postgres": "postgresql", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
_SNAPSHOTS = dict.fromkeys(("postgresql", "mysql", "mariadb"), "REPEATABLE READ") | {"oracle": "SERIALIZABLE"}
_BEGINNINGS = {
    "sqlite": ("BEGIN",),  # its driver begins at changes alone
    "mysql": ("SET time_zone = '+00:00'",),
    "mariadb": ("SET time_zone = '+00:00'",),
}
_FAULTS = (
    Fault(
        "(?i)password authentication failed|access denied|role .* does not exist|login failed|ORA-01017",
        Misuse,
        "refuses the login: correct user and password of `url`, or the connection.",
    ),
    Fault(
        '(?i)unknown database|database ".*" does not exist|unable to open database file',
        Misuse,
        "does not exist: correct the database in `url`.",
    ),
    Fault(
        "(?i)permission denied|command denied",
        Misuse,
        "may not be read for want of permission ({text}): grant it to the user of `url`.",
    ),
    Fault(
        "(?i)syntax error|no such (column|function)|error in your SQL syntax", Misuse, "refuses it: {text}"
    ),
    Fault("file is not a database", Misuse, "is in a file that is no SQLite database: correct `url`."),
    Fault(
        "(?i)connection (to server .* )?(failed|refused)|can't connect|could not connect",
        Unavailable,
        "does not answer ({text}): start it, or correct host and port of `url`.",
    ),
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address in SQLAlchemy's form; `shown` is the part of it without user and password."""

    url: SecretStr

    @property
    def parsed(self) -> URL:
        """The address with a driver; `Misuse` for what is none."""
        try:
            url = make_url(self.url.get_secret_value())
        except (exc.ArgumentError, ValueError):
            raise Misuse(
                "`url` cannot be read: write it as SQLAlchemy does, kind://user:password@host/database."
            ) from None
        return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))

    @property
    def shown(self) -> str:
        url = self.parsed
        place = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
        return f"{place}/{url.database or ''}" if place else str(url.database)


@contextmanager
def opened(address: Address, place: str) -> Iterator[Connection]:
    """A connection in one transaction, ended with the block; errors come out as the framework's."""
    url = address.parsed
    with _plainly(address, place):
        engine = create_engine(
            url, poolclass=NullPool, isolation_level=_SNAPSHOTS.get(url.get_backend_name())
        )
        with engine.connect() as connection:
            for statement in _BEGINNINGS.get(connection.dialect.name, ()):
                connection.exec_driver_sql(statement)
            yield connection


@contextmanager
def _plainly(address: Address, place: str) -> Iterator[None]:
    try:
        yield
    except exc.NoSuchTableError:
        raise Misuse(f"{place} is not there: correct `source.table` and `source.schema`.") from None
    except (exc.NoSuchModuleError, ModuleNotFoundError) as missing:
        raise Misuse(f"{place}: {missing}; install the driver that `url` names.") from None
    except exc.SQLAlchemyError as raised:
        raise _fault(raised, address, place) from None
    except ValueError as unreadable:
        raise BadData(
            f"{place} holds what its driver cannot read ({unreadable}): correct it, or leave it out with "
            "`source.where` or `source.columns`."
        ) from None


def _fault(raised: exc.SQLAlchemyError, address: Address, place: str) -> PipelineError:
    text = " ".join(str(getattr(raised, "orig", None) or raised).split())
    if password := address.parsed.password:
        text = text.replace(str(password), "**********")
    kind: type[PipelineError] = Unavailable
    if isinstance(raised, exc.DataError | exc.IntegrityError):
        kind = BadData
    elif isinstance(raised, exc.ProgrammingError | exc.ArgumentError | exc.CompileError):
        kind = Misuse
    return told(re.sub(r"[.\s]+$", "", text), place, _FAULTS, kind)

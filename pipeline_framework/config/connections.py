"""Where a database is: `url`, or `conn_id` looked up in the environment and by other resolvers.

`conn_id: flights_db` is looked for in PIPELINE_CONN_FLIGHTS_DB, then AIRFLOW_CONN_FLIGHTS_DB (an address
or JSON, as in https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html), then by every
resolver that was registered, in that order. Nothing is kept, so a password may be changed at any time.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

Resolver = Callable[
    [str], str | None
]  # conn_id -> address (or an Airflow connection as JSON), None if unknown
_LIBPQ = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "options", "target_session_attrs")
# Of a connection's `extra`, by its kind, what belongs into an address.
_EXTRAS = {
    "snowflake": (
        *("account", "database", "warehouse", "role", "region"),
        *("private_key_file", "private_key_content"),
    )
}
FLEETING = (
    "A relative path lies beside this file, in a version of a bundle, which Airflow takes away later. "
    "Set PIPELINE_STATE_DIR to an absolute path, or write one here."
)
_resolvers: dict[str, Resolver] = {}


class Found(NamedTuple):
    """An address, and who gave it (for `pipeline check`)."""

    url: SecretStr
    by: str


def register(name: str, resolver: Resolver) -> None:
    """Ask `resolver` too, after the environment; the same `name` again replaces it."""
    _resolvers[name] = resolver


def found(conn_id: str) -> Found:
    """The control database that `conn_id` names; `ValueError` as of `address`, and for another system."""
    url, by = address(conn_id)
    return Found(SecretStr(database_url(url.get_secret_value())), by)


def address(conn_id: str) -> Found:
    """The first answer for `conn_id`; `ValueError` says what to export when nobody knows it."""
    for by, text in _answers(conn_id):
        if text:
            return Found(SecretStr(_url(text)), by)
    ours = f"PIPELINE_CONN_{_identifier(conn_id)}"
    raise ValueError(
        f"No connection '{conn_id}' is known. Export {ours}=postgresql://user:password@host/database."
    )


def _answers(conn_id: str) -> Iterator[tuple[str, str | None]]:
    for variable in (f"PIPELINE_CONN_{_identifier(conn_id)}", f"AIRFLOW_CONN_{conn_id.upper()}"):
        yield variable, os.environ.get(variable)
    for name, resolver in _resolvers.items():
        yield name, resolver(conn_id)


def _identifier(conn_id: str) -> str:
    return re.sub(r"\W", "_", conn_id, flags=re.ASCII).upper()


def database_url(text: str) -> str:
    """`sqlite:///...` or `postgresql://...` from an address or Airflow connection; never in an error."""
    url = _url(text)
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in ("sqlite", "postgresql", "postgresql+psycopg2"):
        raise ValueError(
            f"A control database {f'of kind {scheme!r}' if scheme else 'without ://'} cannot be used. "
            "Write sqlite:///control.db or postgresql://user:password@host/database."
        )
    return url


def _url(text: str) -> str:
    return _from_json(text) if text.lstrip().startswith("{") else _from_address(text.strip())


def _from_address(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if scheme in ("postgres", "postgresql"):
        rest = re.sub(r"([?&])__extra__=[^&]*&?", r"\1", rest).rstrip("?&")
        return f"postgresql{separator}{rest}"
    if scheme == "sqlite" and not rest.startswith("/"):  # Airflow puts the quoted path where a host would be
        return f"sqlite:///{unquote(rest)}"
    return text


def _from_json(text: str) -> str:
    try:
        parts = json.loads(text)
        kind = parts["conn_type"]
        return f"sqlite:///{parts['host']}" if kind == "sqlite" else _server_url(kind, parts)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            "The connection is no Airflow connection in JSON: it needs conn_type and host."
        ) from None


def _server_url(kind: str, parts: dict[str, Any]) -> str:
    login, password = (quote(str(parts.get(name) or ""), safe="") for name in ("login", "password"))
    user = f"{login}:{password}@" if password else f"{login}@" if login else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    extra = parts.get("extra") or {}
    extra = json.loads(extra) if isinstance(extra, str) else extra
    query = urlencode({name: extra[name] for name in _EXTRAS.get(kind, _LIBPQ) if name in extra})
    host = (parts.get("host") or "") if kind == "snowflake" else parts["host"]  # its account is an extra
    address = f"{user}{host}{port}/{quote(str(parts.get('schema') or ''))}"
    scheme = "postgresql" if kind in ("postgres", "postgresql") else kind
    return f"{scheme}://{address}{f'?{query}' if query else ''}"


def placed(url: str, folder: Path | None) -> str:
    """The address with a relative SQLite path put into `folder`; `ValueError` for one in memory.

    Without a folder a relative path is a `ValueError`, too.
    """
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite":
        return _checked(url)
    path, mark, query = rest.removeprefix("/").partition("?")
    if path in ("", ":memory:"):
        raise ValueError(
            "A control database in memory forgets everything. Name a file: sqlite:///control.db."
        )
    if folder is None and not Path(path).is_absolute():
        raise ValueError(FLEETING)
    return f"sqlite:///{(folder or Path()) / path}{mark}{query}"


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.port != 0 and (parts.hostname or parts.query or parts.path):
            return url
    except ValueError:
        pass
    raise ValueError("Host or port cannot be read. Write postgresql://user:password@host:5432/database.")

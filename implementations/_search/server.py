"""How a cluster is named and reached, and what its refusals mean."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import unquote, urlsplit

import msgspec
from pydantic import SecretStr

from pipeline_framework.errors import BadData, Misuse, PipelineError, Unavailable

BUSY = {429, 502, 503, 504}  # too many requests, circuit breakers, nodes that come and go
_LOGIN = re.compile(r"(?<=://)[^/@]*@")
_SCHEME = re.compile(r"^(elasticsearch|opensearch)://")  # what a connection of Airflow's may begin with
# One request by itself, and what the server lets be under way: www.elastic.co/docs, "indexing pressure".
_PRESSURE = re.compile(r"operation_bytes=(\d+), max_\w+_bytes=(\d+)")
Part = Literal["source", "target"]
PRIVILEGES: Mapping[Part, str] = {
    "source": "read and view_index_metadata",
    "target": "read, write, create_index, maintenance and view_index_metadata, also on its ledger; "
    "`deletes: hard` wants manage too, also on its index `…_with_deleted`",
}


class Busy(Unavailable):
    """The same request, or a smaller one, may go better in a while."""


class Conflict(Unavailable):
    """Somebody else changed the same document meanwhile."""


class AlreadyThere(Misuse):
    """An index of that name was made meanwhile."""


class Missing(Misuse):
    """There is no index of that name."""


@dataclass(frozen=True, slots=True)
class Server:
    """Nodes of a cluster, and what they are asked about; `where` names it in messages.

    The fields are those of the connectors; see `SearchSource`. `part` is `source` or `target`.
    """

    where: str
    url: SecretStr
    user: str | None
    password: SecretStr | None
    ca_certs: str | None
    verify_certs: bool
    timeout_seconds: int
    api_key: SecretStr | None = None
    part: Part = "source"

    @property
    def nodes(self) -> list[str]:
        """The addresses as they may be shown."""
        return [_SCHEME.sub("http://", _LOGIN.sub("", address)) for address in self._addresses]

    @property
    def shown(self) -> str:
        """The same in messages."""
        return ",".join(self.nodes)

    @property
    def _login(self) -> str:
        """The keys that say who asks."""
        return f"`{self.part}.api_key`" if self.api_key else f"`{self.part}.user` and `{self.part}.password`"

    @property
    def _addresses(self) -> list[str]:
        return self.url.get_secret_value().replace(" ", "").split(",")

    @property
    def login(self) -> tuple[str, str] | None:
        """Name and password, of the first address or of the connector's own fields."""
        within = urlsplit(self._addresses[0])
        if within.username and within.password:
            return unquote(within.username), unquote(within.password)
        return (self.user, self.password.get_secret_value()) if self.user and self.password else None

    @property
    def tls(self) -> dict[str, Any]:
        """What both clients call the settings of a connection with TLS; nothing for one without."""
        if not self.shown.startswith("https"):
            return {}
        if self.ca_certs and not Path(self.ca_certs).is_file():
            raise Misuse(f"`{self.part}.ca_certs` names {self.ca_certs}, where there is no file: correct it.")
        certificates = {"ca_certs": self.ca_certs} if self.ca_certs else {}
        return {"verify_certs": self.verify_certs, "ssl_show_warn": False, **certificates}

    @contextmanager
    def named_well(self) -> Iterator[None]:
        """What a client says of an address, as an error of the framework."""
        try:
            yield
        except ValueError as error:
            raise Misuse(f"`{self.part}.url` {self.shown} cannot be used: {error}.") from error

    def told(self, status: int, body: Any) -> PipelineError:
        """The error for an answer of that status."""
        reason, part = _reason(body), self.part
        if lasting := self._shut(status, reason) or self._too_large(status, reason):
            return lasting
        if status in {401, 403}:
            return Misuse(
                f"{self.shown} does not let these credentials use {self.where} ({reason}): correct "
                f"{self._login}; they need the privileges {PRIVILEGES[part]}."
            )
        if status == 409 or "resource_already_exists" in reason:
            kind = Conflict if status == 409 else AlreadyThere
            return kind(f"{self.shown}: somebody else was faster ({reason}).")
        if "search_context_missing" in reason:
            return Unavailable(f"{self.shown} forgot the point in time of {self.where}; it is read anew.")
        if status in BUSY or status >= 500:
            return (Busy if status in BUSY else Unavailable)(f"{self.shown} is busy ({status}: {reason}).")
        return self._refused(status, reason)

    def _refused(self, status: int, reason: str) -> Misuse:
        if "media_type_header_exception" in reason:
            return Misuse(
                f"{self.shown} is of an older major version than the client that is installed here: "
                "`pip install 'elasticsearch<9'` for a server of version 8."
            )
        if status == 404:
            return Missing(f"{self.shown} has no {self.where} ({reason}): correct `{self.part}.index`.")
        remedy = "`source.query`" if self.part == "source" else "what is loaded, or the index"
        return Misuse(f"{self.shown} refuses what is asked of {self.where} ({reason}): correct {remedy}.")

    def _shut(self, status: int, reason: str) -> Misuse | None:
        if reason.startswith("index_closed_exception"):
            how, remedy = "closed", "open it"
        elif status == 403 and reason.startswith("cluster_block_exception"):
            how, remedy = "blocked", "lift the block in its settings"
        else:
            return None
        return Misuse(
            f"{self.shown} says that {self.where} is {how} ({reason}): {remedy}, or name another with "
            f"`{self.part}.index`."
        )

    def _too_large(self, status: int, reason: str) -> BadData | None:
        pressure = _PRESSURE.search(reason)
        never = pressure and int(pressure[1]) > int(pressure[2])  # however long one waits
        if status != 413 and not never:
            return None
        return BadData(
            f"{self.shown} takes no request as large as one with what is loaded into {self.where} "
            f"({reason or 'status 413'}): raise its limit (`http.max_content_length`, a proxy's, or its "
            "memory), or shorten the row at the source."
        )

    def unreachable(self, why: str) -> PipelineError:
        """The error for no answer."""
        if "certificate" in why.lower():
            return Misuse(
                f"{self.shown} is not trusted ({why}): name its authority with `{self.part}.ca_certs`."
            )
        return Busy(f"{self.shown} does not answer ({why}): start it, or correct `{self.part}.url`.")

    def stranger(self, system: str) -> PipelineError:
        """The error for an answer of something else."""
        return Misuse(f"{self.shown} is no {system}: correct `{self.part}.url`, or `{self.part}.type`.")


class Cluster(Protocol):
    """A client that answers bytes as they came, does not try again, and raises the framework's errors."""

    @property
    def server(self) -> Server:
        """Whom it asks."""

    @property
    def order(self) -> list[str]:
        """Of documents at a point in time: total, and cheap."""

    @property
    def slice_rows(self) -> int | None:
        """Documents that a slice of a search best has; None where fine slices cost the cluster more."""

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        """The answer to a request; a body of bytes is sent as lines of JSON, any other as JSON."""

    def remember(self, index: str, keep_alive: str) -> str:
        """A new point in time."""

    def forget(self, point: str) -> None:
        """Let go of a point in time."""


def _reason(body: Any) -> str:
    """What an error says, in its shortest form."""
    try:
        error = (msgspec.json.decode(body) if isinstance(body, (bytes, str)) else body)["error"]
        cause = (error.get("root_cause") or [error])[0]
        return f"{cause['type']}: {cause['reason']}"
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
        return " ".join(text[:200].split())

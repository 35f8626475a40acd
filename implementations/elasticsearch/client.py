"""How Elasticsearch is reached, and what its errors mean."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec
from pydantic import SecretStr

from implementations._search import Page
from pipeline_framework.errors import Misuse, PipelineError, Unavailable

if TYPE_CHECKING:
    from elastic_transport import Serializer

    from elasticsearch import Elasticsearch

BUSY = {429, 502, 503, 504}  # too many requests, circuit breakers, nodes that come and go
_LOGIN = re.compile(r"(?<=://)[^/@]*@")
_JSON_KINDS = ("application/json", "application/vnd.elasticsearch+json")


@dataclass(frozen=True, slots=True)
class Server:
    """Nodes of a cluster, and what they are asked about; `where` names it in messages.

    The fields are those of the connectors; see `ElasticsearchSource`.
    """

    where: str
    url: SecretStr
    api_key: SecretStr | None
    user: str | None
    password: SecretStr | None
    ca_certs: str | None
    verify_certs: bool
    timeout_seconds: int

    @contextmanager
    def connected(self, connections: int = 1) -> Iterator["Elasticsearch"]:
        """A client that does not try again by itself; errors become those of the framework."""
        from elasticsearch import Elasticsearch

        with self.plainly():
            client = Elasticsearch(
                self.nodes,
                api_key=self.api_key.get_secret_value() if self.api_key else None,
                basic_auth=self._login,
                serializers={kind: _as_it_came(kind) for kind in _JSON_KINDS},
                request_timeout=self.timeout_seconds,
                max_retries=0,
                connections_per_node=connections,
                **self._tls(),
            )
            with client:
                yield client

    @property
    def nodes(self) -> list[str]:
        """The addresses as they may be shown; a connection of Airflow's has `elasticsearch` for `http`."""
        return [
            _LOGIN.sub("", address).replace("elasticsearch://", "http://", 1) for address in self._addresses
        ]

    @property
    def shown(self) -> str:
        """The same in messages."""
        return ",".join(self.nodes)

    @property
    def _addresses(self) -> list[str]:
        return self.url.get_secret_value().replace(" ", "").split(",")

    @property
    def _login(self) -> tuple[str, str] | None:
        within = urlsplit(self._addresses[0])
        if within.username and within.password:
            return unquote(within.username), unquote(within.password)
        return (self.user, self.password.get_secret_value()) if self.user and self.password else None

    def _tls(self) -> dict[str, Any]:
        if not self.shown.startswith("https"):
            return {}
        certificates = {"ca_certs": self.ca_certs} if self.ca_certs else {}
        return {"verify_certs": self.verify_certs, "ssl_show_warn": False, **certificates}

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Errors of the client, as those of the framework."""
        from elastic_transport import TransportError

        from elasticsearch import ApiError

        try:
            yield
        except ApiError as error:
            raise self._told(error.meta.status, _reason(error.body)) from error
        except TransportError as error:
            raise self._unreachable(str(error.message)) from error
        except ValueError as error:
            raise Misuse(f"`source.url` {self.shown} cannot be used: {error}.") from error

    def _told(self, status: int, reason: str) -> PipelineError:
        if status in {401, 403}:
            return Misuse(
                f"{self.shown} does not let these credentials read {self.where} ({reason}): correct "
                "`source.api_key`, or `source.user` and `source.password`; they need the privileges read and "
                "view_index_metadata."
            )
        if "search_context_missing" in reason:
            return Unavailable(f"{self.shown} forgot the point in time of {self.where}; it is read anew.")
        if status == 404:
            return Misuse(f"{self.shown} has no {self.where} ({reason}): correct `source.index`.")
        if status in BUSY or status >= 500:
            return Unavailable(f"{self.shown} is busy ({status}: {reason}).")
        return Misuse(f"{self.shown} refuses the search of {self.where} ({reason}): correct `source.query`.")

    def _unreachable(self, why: str) -> PipelineError:
        if "certificate" in why.lower():
            return Misuse(f"{self.shown} is not trusted ({why}): name its authority with `source.ca_certs`.")
        return Unavailable(f"{self.shown} does not answer ({why}).")


def whole(client: "Elasticsearch") -> Callable[..., Any]:
    """A search that fails rather than leave shards out."""
    return partial(client.search, allow_partial_search_results=False)


def json_of(answer: Any) -> Any:
    """An answer as plain objects."""
    return msgspec.json.decode(answer.body)


def page_of(answer: Any, document: Any) -> Page[Any]:
    """An answer of a search, its documents decoded into `document`; `ValueError` where one does not fit."""
    return msgspec.json.decode(answer.body, type=Page[document])


def is_busy(error: BaseException) -> bool:
    """Whether the same request may go better in a while."""
    status = getattr(getattr(error.__cause__, "meta", None), "status", None)
    return isinstance(error, Unavailable) and (status is None or status in BUSY)


def _as_it_came(kind: str) -> "Serializer":
    """A serializer that leaves answers as bytes: they are decoded by what is known of their documents."""
    from elastic_transport import JsonSerializer

    class AsItCame(JsonSerializer):
        mimetype = kind

        def loads(self, data: bytes) -> Any:
            return data

    return AsItCame()


def _reason(body: Any) -> str:
    """What an error says, in its shortest form."""
    try:
        error = msgspec.json.decode(body)["error"]
        cause = (error.get("root_cause") or [error])[0]
        return f"{cause['type']}: {cause['reason']}"
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return bytes(body or b"").decode(errors="replace")[:200]

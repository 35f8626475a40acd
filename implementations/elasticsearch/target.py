"""Elasticsearch as target."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from pydantic import SecretStr

from implementations._search.server import Cluster, Server
from implementations._search.target import SearchTarget
from implementations.elasticsearch.client import connected


@dataclass(frozen=True)
class ElasticsearchTarget(SearchTarget):
    """Documents of one index, or of an alias with one (`type: elasticsearch`), made from the first window.

    `api_key`: in the place of user and password, as `encoded` or as `id:key`. The other keys are those of
    `SearchTarget`.

    There are no transactions: docs/guarantees.md says what a load that was killed leaves, and what heals it.
    """

    api_key: SecretStr | None = None

    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        return connected(server, 1)

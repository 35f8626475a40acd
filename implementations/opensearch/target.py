"""OpenSearch as target."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from implementations._search.server import Cluster, Server
from implementations._search.target import SearchTarget
from implementations.opensearch.client import connected


@dataclass(frozen=True)
class OpenSearchTarget(SearchTarget):
    """Documents of one index, or of an alias with one (`type: opensearch`), made from the first window.

    The keys are those of `SearchTarget`.
    """

    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        return connected(server, 1)

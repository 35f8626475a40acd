"""OpenSearch as source."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from implementations._search.server import Cluster, Server
from implementations._search.source import SearchSource
from implementations.opensearch.client import connected


@dataclass(frozen=True)
class OpenSearchSource(SearchSource):
    """Documents of an index, alias, pattern or data stream, each by its time field (`type: opensearch`).

    The keys are those of `SearchSource`.
    """

    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        return connected(server, self.slices)

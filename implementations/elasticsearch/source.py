"""Elasticsearch as source."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from pydantic import SecretStr

from implementations._search.server import Cluster, Server
from implementations._search.source import SearchSource
from implementations.elasticsearch.client import connected


@dataclass(frozen=True)
class ElasticsearchSource(SearchSource):
    """Documents of an index, alias, pattern or data stream, each by its time field (`type: elasticsearch`).

    `api_key`: in the place of user and password, as `encoded` or as `id:key`. The other keys are those of
    `SearchSource`.

    The count and the rows of a reading are of one point in time. Times come out in UTC microseconds, finer
    digits cut off.
    """

    api_key: SecretStr | None = None

    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        return connected(server, self.slices)

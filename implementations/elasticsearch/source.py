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

    `url`: addresses of nodes, commas between them, or in its place `conn_id`, the name of a connection.
    `api_key`: `encoded`, or `id:key`. `query`: a further condition in the query DSL. `columns`: types by
    field where the mapping does not say, or indices disagree; a dot leads into an object. `schema`: a field
    that neither knows makes its document unfit (`freeze`), is left out (`discard`) or kept as it was written
    in a column of JSON (`evolve`), which is `extra_column`.
    `time_unit`: what a number as time counts from 1970. `null_time`: whether documents without a time are
    refused or ignored. `id_column`: a column for `_id`. `slices`: streams read at once. `page_rows`:
    documents of a page.

    The count and the rows of a reading are of one point in time. Times come out in UTC microseconds, finer
    digits cut off.
    """

    api_key: SecretStr | None = None

    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        return connected(server, self.slices)

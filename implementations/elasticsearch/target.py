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

    `url`: addresses of nodes, commas between them, or in its place `conn_id`, the name of a connection.
    `time_field`: a field of `date` or `date_nanos`. `scope`: values by field that mark this pipeline's
    documents of an index shared with others. `id_column`: the column that becomes `_id`; without it a
    document is named by its window and its place in it, or by its key. `write`: what a window's rows do with
    those that are there; with `deletes: hard` the index is made as an alias that hides what was deleted.
    `contract`: what a staged column does that the mapping lacks, also inside of objects: it is added
    (`evolve`), refused (`freeze`) or left out (`discard`). `ledger`: the index that keeps what was loaded.

    There are no transactions: docs/guarantees.md says what a load that was killed leaves, and what heals it.
    """

    api_key: SecretStr | None = None

    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        return connected(server, 1)

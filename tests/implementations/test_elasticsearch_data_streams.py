"""Data streams of a real Elasticsearch."""

import secrets

import pytest
from pydantic import SecretStr

from implementations.elasticsearch.source import ElasticsearchSource
from implementations.elasticsearch.target import ElasticsearchTarget
from tests.implementations.data_streams import FIELDS, TIME, DataStreams, Stream

pytestmark = pytest.mark.services


class TestElasticsearchDataStreams(DataStreams):
    """The server for tests has no way to delete a stream: they go with it."""

    @pytest.fixture
    def stream(self, elasticsearch_server: str) -> Stream:
        """One that its template describes."""
        stream = Stream(elasticsearch_server, f"stream-{secrets.token_hex(6)}")
        stream.describe(FIELDS)
        return stream

    @pytest.fixture
    def source(self, stream: Stream) -> ElasticsearchSource:
        """Reads it."""
        return ElasticsearchSource(SecretStr(stream.server), stream.name, TIME)

    @pytest.fixture
    def target(self, stream: Stream) -> ElasticsearchTarget:
        """Would load into it."""
        return ElasticsearchTarget(SecretStr(stream.server), stream.name, TIME, ledger=f"loads-{stream.name}")

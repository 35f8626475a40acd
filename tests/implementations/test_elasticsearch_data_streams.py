"""Data streams of a real Elasticsearch."""

import pytest

from implementations.elasticsearch.source import ElasticsearchSource
from implementations.elasticsearch.target import ElasticsearchTarget
from tests.implementations.data_streams import DataStreams

pytestmark = pytest.mark.services


class TestElasticsearchDataStreams(DataStreams):
    """All of it."""

    reads, loads = ElasticsearchSource, ElasticsearchTarget

    @pytest.fixture
    def server(self, elasticsearch_server: str) -> str:
        """The one for all tests."""
        return elasticsearch_server

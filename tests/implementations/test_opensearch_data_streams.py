"""Data streams of a real OpenSearch."""

import pytest

from implementations.opensearch.source import OpenSearchSource
from implementations.opensearch.target import OpenSearchTarget
from tests.implementations.data_streams import DataStreams

pytestmark = pytest.mark.services


class TestOpenSearchDataStreams(DataStreams):
    """All of it."""

    reads, loads = OpenSearchSource, OpenSearchTarget

    @pytest.fixture
    def server(self, opensearch_server: str) -> str:
        """The one for all tests."""
        return opensearch_server

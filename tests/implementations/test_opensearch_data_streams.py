"""Data streams of a real OpenSearch."""

import secrets

import pytest
from pydantic import SecretStr

from implementations.opensearch.source import OpenSearchSource
from implementations.opensearch.target import OpenSearchTarget
from tests.implementations.data_streams import FIELDS, TIME, DataStreams, Stream

pytestmark = pytest.mark.services


class TestOpenSearchDataStreams(DataStreams):
    """They go with the server."""

    @pytest.fixture
    def stream(self, opensearch_server: str) -> Stream:
        """One that its template describes."""
        stream = Stream(opensearch_server, f"stream-{secrets.token_hex(6)}")
        stream.describe(FIELDS)
        return stream

    @pytest.fixture
    def source(self, stream: Stream) -> OpenSearchSource:
        """Reads it."""
        return OpenSearchSource(SecretStr(stream.server), stream.name, TIME)

    @pytest.fixture
    def target(self, stream: Stream) -> OpenSearchTarget:
        """Would load into it."""
        return OpenSearchTarget(SecretStr(stream.server), stream.name, TIME, ledger=f"loads-{stream.name}")

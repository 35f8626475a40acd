"""The OpenSearch target keeps the contract, on a real server."""

from collections.abc import Callable, Mapping

import pytest
from pydantic import SecretStr

from implementations.opensearch.target import OpenSearchTarget
from pipeline_framework.testing.scope_contract import ScopeContract, Scoped
from pipeline_framework.testing.truth import TIME_FIELD
from tests.implementations.test_elasticsearch_target import HealingContract

pytestmark = pytest.mark.services


class TestOpenSearchTarget(HealingContract):
    """Everything that JSON can say, unsigned numbers of 64 bits too."""

    @pytest.fixture
    def target(self, opensearch_server: str, fresh_opensearch_index: Callable[[], str]) -> OpenSearchTarget:
        index, ledger = fresh_opensearch_index(), fresh_opensearch_index()
        return OpenSearchTarget(SecretStr(opensearch_server), index, TIME_FIELD, ledger=ledger)


class TestOpenSearchScope(ScopeContract):
    """Pipelines that share an index."""

    @pytest.fixture
    def scoped(self, opensearch_server: str, fresh_opensearch_index: Callable[[], str]) -> Scoped:
        index, ledger = fresh_opensearch_index(), fresh_opensearch_index()

        def target(scope: Mapping[str, str | int]) -> OpenSearchTarget:
            url = SecretStr(opensearch_server)
            return OpenSearchTarget(url, index, TIME_FIELD, scope=scope, ledger=ledger)

        return target

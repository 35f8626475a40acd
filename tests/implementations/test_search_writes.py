"""Elasticsearch and OpenSearch keep the contract of write modes, on real servers, but for a kill."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations._search.target import SearchTarget
from implementations.elasticsearch.target import ElasticsearchTarget
from implementations.opensearch.target import OpenSearchTarget
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing.meeting import SCHEMA, Shown
from pipeline_framework.testing.truth import TIME_FIELD
from pipeline_framework.testing.write_contract import WriteContract
from pipeline_framework.testing.writing import Writing
from tests.implementations.search_targets import killed, table
from tests.implementations.tables import writing
from tests.services.indices import delete

pytestmark = pytest.mark.services


class HealingWrites(WriteContract):
    """The contract of write modes, but for a kill: there are no transactions."""

    def rows(self, target: Target) -> pa.Table:
        """Documents have no NULL: a column of nothing else is added."""
        assert isinstance(target, SearchTarget)
        found = table(target)
        more = pa.schema([field for field in SCHEMA if field.name not in found.column_names])
        return pa.Table.from_pylist(found.to_pylist(), schema=pa.unify_schemas([found.schema, more]))

    def crash(self, target: Target, lock: Lock, staged: Staged, step: int) -> bool:
        return killed(target, lock, staged, step, request=1)

    def may_be_left(self, found: Shown, before: Shown, after: Shown) -> bool:
        """Each row is the one before or after, and whole; some may be and others not."""
        assert set(found) <= {*before, *after}
        return {row[0] for row in before} & {row[0] for row in after} <= {row[0] for row in found}


class TestElasticsearchWrites(HealingWrites):
    """Indices that rows of several windows meet in."""

    @pytest.fixture
    def writing(self, elasticsearch_server: str, fresh_index: Callable[[], str]) -> Iterator[Writing]:
        yield from writings(ElasticsearchTarget, elasticsearch_server, fresh_index())


class TestOpenSearchWrites(HealingWrites):
    """The same."""

    @pytest.fixture
    def writing(self, opensearch_server: str, fresh_opensearch_index: Callable[[], str]) -> Iterator[Writing]:
        yield from writings(OpenSearchTarget, opensearch_server, fresh_opensearch_index())


def writings(kind: type[SearchTarget], server: str, ledger: str) -> Iterator[Writing]:
    """Targets of new indices; those go at the end, also from behind their aliases."""
    names = set[str]()

    def made(name: str, **how: Any) -> SearchTarget:
        names.add(name)
        return kind(SecretStr(server), name, TIME_FIELD, ledger=ledger, **how)

    yield writing(made, "met_")
    for name in names:
        delete(server, name)

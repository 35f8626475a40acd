"""OpenSearch as source keeps the contract, on a real server; what it does otherwise than Elasticsearch."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.elasticsearch.source import ElasticsearchSource
from implementations.opensearch.source import OpenSearchSource
from pipeline_framework.errors import Misuse, Unavailable
from pipeline_framework.testing.source_contract import Fill, SourceContract, table_of
from pipeline_framework.testing.truth import TIME_FIELD
from tests.implementations.test_elasticsearch import WINDOW, Index, numbered, numbers
from tests.implementations.test_elasticsearch_contract import create, index_rows
from tests.services.go_between import Answered, Asked, go_between

pytestmark = pytest.mark.services


class TestOpenSearch(SourceContract):
    """Every type that JSON and OpenSearch share; a date keeps milliseconds."""

    columns = (TIME_FIELD, "number", "unsigned", "ratio", "text", "flag", "tags", "place")
    tick = timedelta(milliseconds=1)

    @pytest.fixture
    def filled(self, opensearch_server: str, fresh_opensearch_index: Callable[[], str]) -> Fill:
        def fill(table: pa.Table) -> OpenSearchSource:
            index = fresh_opensearch_index()
            create(opensearch_server, index)
            index_rows(opensearch_server, index, table)
            columns = {"tags": "list<string>", "unsigned": "uint64", "place.at": "list<double>"}
            return OpenSearchSource(
                SecretStr(opensearch_server), index, TIME_FIELD, columns=columns, page_rows=7, slices=2
            )

        return fill


@pytest.fixture
def index(opensearch_server: str, fresh_opensearch_index: Callable[[], str]) -> Index:
    """An index of its own."""
    return Index(opensearch_server, fresh_opensearch_index())


def source(index: Index, /, **settings: Any) -> OpenSearchSource:
    """A source of it."""
    named = {"url": SecretStr(index.server), "index": index.name, "time_field": "at"}
    return OpenSearchSource(**{**named, **settings})


@pytest.mark.parametrize(("slices", "page_rows"), [(1, 7), (2, 7), (3, 1000)])
def test_an_alias_gives_every_document_of_its_indices_once(
    index: Index, fresh_opensearch_index: Callable[[], str], slices: int, page_rows: int
) -> None:
    """Though both indices have documents at the same place of the same shard."""
    index.made().add(*numbered(60))
    other = Index(index.server, fresh_opensearch_index()).made().add(*numbered(60))
    actions = [{"add": {"index": each.name, "alias": f"all_{index.name}"}} for each in (index, other)]
    httpx.post(f"{index.server}/_aliases", json={"actions": actions}).raise_for_status()
    both = source(index, index=f"all_{index.name}", slices=slices, page_rows=page_rows)
    reading = both.read(WINDOW)
    assert reading.count == 120
    assert numbers(table_of(reading)) == sorted([*range(60), *range(60)])


def test_a_reading_sees_one_point_in_time_and_lets_go_of_it(index: Index) -> None:
    """What is added meanwhile is not read, and no point in time is left behind."""
    reading = source(index.made().add(*numbered(20)), page_rows=2).read(WINDOW)
    rows = [next(reading.batches)]
    index.add(*numbered(5))
    rows += reading.batches
    assert numbers(pa.Table.from_batches(rows)) == list(range(20))
    left = httpx.get(f"{index.server}/_search/point_in_time/_all").json()["pits"]
    assert not [pit for pit in left if index.name in str(pit)]


def test_a_busy_server_is_asked_again(index: Index) -> None:
    """A page that was refused once comes after a while."""
    index.made().add(*numbered(20))
    body = b'{"error": {"type": "rejected_execution_exception", "reason": "full"}, "status": 429}'
    with go_between(index.server) as between:
        refusals = [Answered(429, body, {"content-type": "application/json"})]

        def once(asked: Asked) -> Asked | Answered:
            return refusals.pop() if refusals and asked.path.startswith("/_search?") else asked

        between.before = once
        reading = source(index, url=SecretStr(between.url), slices=1).read(WINDOW)
        assert numbers(table_of(reading)) == list(range(20))
        assert [page["size"] for page in between.searches()] == [5000, 2500, 2500]  # the last is empty


def test_a_forgotten_point_in_time_is_told_of(index: Index) -> None:
    """Its reading begins anew."""
    batches = source(index.made().add(*numbered(20)), slices=1, page_rows=1).read(WINDOW).batches
    next(batches)
    httpx.delete(f"{index.server}/_search/point_in_time/_all").raise_for_status()
    with pytest.raises(Unavailable, match="forgot the point in time"):
        list(batches)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"time_field": "when"}, "no field when"),
        ({"index": "no_such_index"}, "no_such_index"),
        ({"query": {"nonsense": {}}}, "source.query"),
    ],
)
def test_a_wrong_setting_is_one_sentence(index: Index, settings: dict[str, Any], told: str) -> None:
    """Which key, and what to do."""
    index.made()
    with pytest.raises(Misuse, match=told) as refused:
        source(index, **settings).read(WINDOW)
    assert "\n" not in str(refused.value)


def test_nobody_there_is_unavailable() -> None:
    """Worth another try, and no secret in the sentence."""
    nobody = OpenSearchSource(SecretStr("http://me:secret@127.0.0.1:9"), "events", "at")
    with pytest.raises(Unavailable, match="does not answer") as raised:
        nobody.count(WINDOW)
    assert "secret" not in f"{raised.value}{nobody}"
    assert "\n" not in str(raised.value)


def test_the_other_system_is_told_of(index: Index) -> None:
    """Elasticsearch's client at an OpenSearch: the sentence says what to correct."""
    stranger = ElasticsearchSource(SecretStr(index.made().server), index.name, "at")
    with pytest.raises(Misuse, match=r"is no Elasticsearch: correct `source.url`, or `source.type`"):
        stranger.count(WINDOW)

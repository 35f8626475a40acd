"""Elasticsearch as source, on a real server: one point in time, every kind of time, and plain refusals."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.elasticsearch.source import ElasticsearchSource
from pipeline_framework.errors import BadData, Misuse, Unavailable
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.windows import Window
from tests.implementations.test_elasticsearch_contract import create

pytestmark = pytest.mark.services

FIRST = datetime(2013, 11, 3, 5, tzinfo=UTC)
WINDOW = Window(FIRST, FIRST + timedelta(hours=2))
MAPPING = {"at": {"type": "date"}, "n": {"type": "long"}}


class Index:
    """An index of the test server, and what a test does to it."""

    def __init__(self, server: str, name: str) -> None:
        self.server, self.name = server, name

    def made(self, properties: object = None, shards: int = 3) -> "Index":
        """The index, created."""
        create(self.server, self.name, properties or MAPPING, shards)
        return self

    def add(self, *documents: object) -> "Index":
        """Documents, findable at once."""
        written = (json.dumps(document, separators=(",", ":")) for document in documents)
        body = "".join(f'{{"create": {{}}}}\n{each}\n' for each in written)
        kind = {"Content-Type": "application/x-ndjson"}
        url = f"{self.server}/{self.name}/_bulk?refresh=true"
        answer = httpx.post(url, content=body.encode(), headers=kind).raise_for_status().json()
        assert not answer["errors"], answer
        return self

    def refreshed(self) -> "Index":
        """Everything written until now is findable."""
        httpx.post(f"{self.server}/{self.name}/_refresh").raise_for_status()
        return self

    def source(self, **settings: Any) -> ElasticsearchSource:
        """A source of it."""
        return ElasticsearchSource(
            **{"url": SecretStr(self.server), "index": self.name, "time_field": "at", **settings}
        )


@pytest.fixture
def index(elasticsearch_server: str, fresh_index: Callable[[], str]) -> Index:
    """An index of its own."""
    return Index(elasticsearch_server, fresh_index())


def numbered(count: int) -> list[dict[str, object]]:
    """Documents of one minute after the other, from the window's start."""
    return [
        {"at": (FIRST + number * timedelta(minutes=1)).isoformat(), "n": number} for number in range(count)
    ]


def numbers(table: pa.Table) -> list[int]:
    """What `n` holds, in order."""
    return sorted(table["n"].to_pylist())


@pytest.mark.parametrize(("slices", "page_rows"), [(1, 3), (2, 4), (5, 1000)])
def test_slices_and_pages_share_the_documents(index: Index, slices: int, page_rows: int) -> None:
    """However many streams and however small the pages, each document comes once."""
    source = index.made().add(*numbered(25)).source(slices=slices, page_rows=page_rows)
    reading = source.read(WINDOW)
    assert numbers(table_of(reading)) == list(range(25))
    assert reading.count == source.count(WINDOW) == 25


def test_a_reading_sees_one_point_in_time(index: Index) -> None:
    """Documents added and taken away while it is read change neither its count nor its rows."""
    reading = index.made().add(*numbered(20)).source(page_rows=2).read(WINDOW)
    rows = [next(reading.batches)]
    index.add(*numbered(5))
    query = {"query": {"range": {"n": {"lt": 10}}}}
    found = httpx.post(f"{index.server}/{index.name}/_search?size=100", json=query).json()["hits"]["hits"]
    for hit in found:
        httpx.delete(f"{index.server}/{index.name}/_doc/{hit['_id']}").raise_for_status()
    index.refreshed()
    rows += reading.batches
    assert numbers(pa.Table.from_batches(rows)) == list(range(20))
    assert reading.count == 20


def test_an_alias_reads_all_of_its_indices(index: Index, fresh_index: Callable[[], str]) -> None:
    """Fields that one of them lacks are NULL."""
    index.made().add(*numbered(3))
    other = Index(index.server, fresh_index()).made({**MAPPING, "more": {"type": "keyword"}}, shards=1)
    other.add({"at": FIRST.isoformat(), "n": 3, "more": "x"})
    actions = [{"add": {"index": each.name, "alias": f"all_{index.name}"}} for each in (index, other)]
    httpx.post(f"{index.server}/_aliases", json={"actions": actions}).raise_for_status()
    table = table_of(index.source(index=f"all_{index.name}").read(WINDOW))
    assert numbers(table) == [0, 1, 2, 3]
    assert sorted(map(str, table["more"].to_pylist())) == ["None", "None", "None", "x"]


@pytest.mark.parametrize(
    ("kind", "settings", "written", "tick"),
    [
        ({"type": "date"}, {}, lambda time: time.isoformat(), timedelta(milliseconds=1)),
        ({"type": "date"}, {}, lambda time: round(time.timestamp() * 1000), timedelta(milliseconds=1)),
        ({"type": "date_nanos"}, {}, lambda time: time.isoformat(), timedelta(microseconds=1)),
        ({"type": "long"}, {"time_unit": "s"}, lambda time: round(time.timestamp()), timedelta(seconds=1)),
        (
            {"type": "long"},
            {"time_unit": "us"},
            lambda time: round(time.timestamp() * 10**6),
            timedelta(microseconds=1),
        ),
    ],
)
def test_bounds_are_half_open_in_every_kind_of_time(
    index: Index,
    kind: object,
    settings: dict[str, Any],
    written: Callable[[datetime], object],
    tick: timedelta,
) -> None:
    """The start belongs to the window, its end to the next one, one tick beside them decides."""
    times = [bound + step for bound in (WINDOW.start, WINDOW.end) for step in (-tick, timedelta(0), tick)]
    index.made({**MAPPING, "at": kind})
    index.add(*({"at": written(time), "n": number} for number, time in enumerate(times)))
    source = index.source(**settings)
    table = table_of(source.read(WINDOW))
    assert (numbers(table), source.count(WINDOW)) == ([1, 2, 3], 3)
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")
    assert sorted(table["at"].to_pylist()) == times[1:4]


def test_a_query_narrows_what_is_counted_and_read(index: Index) -> None:
    """Any query DSL, beside the window."""
    source = index.made().add(*numbered(10)).source(query={"terms": {"n": [2, 3, 99]}})
    assert (numbers(table_of(source.read(WINDOW))), source.count(WINDOW)) == ([2, 3], 2)


def test_ids_may_be_a_column(index: Index) -> None:
    """`_id` tells documents apart that are otherwise the same."""
    table = table_of(index.made().add(*numbered(4)).source(id_column="_id").read(WINDOW))
    found = httpx.get(f"{index.server}/{index.name}/_search").json()["hits"]["hits"]
    ids = {hit["_source"]["n"]: hit["_id"] for hit in found}
    assert dict(zip(table["n"].to_pylist(), table["_id"].to_pylist(), strict=True)) == ids


def test_a_document_that_does_not_fit_is_put_aside(index: Index) -> None:
    """What the mapping let pass and the schema does not: counted, kept with its id and the reason."""
    source = index.made().add(*numbered(3), {"at": FIRST.isoformat(), "n": 2.5}).source(id_column="id")
    reading = source.read(WINDOW)
    assert numbers(table_of(reading)) == [0, 1, 2]
    assert (reading.count, reading.tally.bad) == (4, 1)
    assert re.search(r"index test_\w+, _id \S+: the field n does not fit int64", reading.tally.letters.first)


def test_unknown_fields_are_refused_or_left_out(index: Index) -> None:
    """A field that a mapping with `dynamic: false` did not take."""
    index.made(
        {**MAPPING, "part": {"type": "object", "dynamic": False, "properties": {"a": {"type": "long"}}}}
    )
    index.add({"at": FIRST.isoformat(), "n": 1, "part": {"a": 1, "b": 2}})
    reading = index.source().read(WINDOW)
    assert (table_of(reading).num_rows, reading.tally.bad) == (0, 1)
    assert "the field b is not in the schema" in reading.tally.letters.first
    assert table_of(index.source(schema="discard").read(WINDOW))["part"].to_pylist() == [{"a": 1}]


def test_a_field_of_any_shape_is_kept_as_json(index: Index) -> None:
    """An object that the mapping does not look into."""
    index.made({**MAPPING, "any": {"type": "object", "enabled": False}})
    index.add({"at": FIRST.isoformat(), "any": {"b": [1, 1.5]}})
    assert table_of(index.source().read(WINDOW))["any"].to_pylist() == ['{"b":[1,1.5]}']


@pytest.mark.parametrize(
    ("mapping", "settings", "told"),
    [
        (MAPPING, {"time_field": "when"}, "no field when"),
        (MAPPING, {"time_field": "n"}, "is long, not a date"),
        (MAPPING, {"index": "no_such_index"}, "no_such_index"),
        (MAPPING, {"index": "no_such_*"}, "No index is named"),
        (MAPPING, {"query": {"nonsense": {}}}, "source.query"),
        (MAPPING, {"columns": {"n": "whole"}}, "no type whole"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    index: Index, mapping: object, settings: dict[str, Any], told: str
) -> None:
    """Which key, and what to do."""
    index.made(mapping)
    with pytest.raises(Misuse, match=told) as refused:
        index.source(**settings).read(WINDOW)
    assert "\n" not in str(refused.value)


def test_an_index_without_source_is_found_out_beforehand(index: Index, elasticsearch_server: str) -> None:
    """Its documents cannot be read back."""
    body = {"mappings": {"_source": {"enabled": False}, "properties": MAPPING}}
    httpx.put(f"{elasticsearch_server}/{index.name}", json=body).raise_for_status()
    with pytest.raises(Misuse, match="keeps no _source"):
        index.source().check()


def test_a_window_finer_than_the_index_keeps_is_refused(index: Index) -> None:
    """A date of milliseconds cannot tell microseconds apart."""
    half = FIRST + timedelta(microseconds=500)
    with pytest.raises(Misuse, match="whole milliseconds"):
        index.made().source().count(Window(FIRST, half))


def test_a_format_of_its_own_is_refused(index: Index) -> None:
    """The index finds the documents, but what they say is another time."""
    index.made({**MAPPING, "at": {"type": "date", "format": "epoch_second"}}).add({"at": 1383454800, "n": 1})
    with pytest.raises(BadData, match="reads as another time"):
        table_of(index.source().read(WINDOW))


def test_nobody_there_is_unavailable() -> None:
    """Worth another try."""
    source = ElasticsearchSource(SecretStr("http://me:secret@127.0.0.1:9"), "events", "at")
    with pytest.raises(Unavailable, match="does not answer") as raised:
        source.count(WINDOW)
    assert "secret" not in f"{raised.value}{source}"


def test_windows_side_by_side_cover_the_index(index: Index) -> None:
    """Every document is in exactly one of contiguous windows."""
    source = index.made().add(*numbered(30)).source(page_rows=7)
    bounds = [FIRST + step * timedelta(minutes=7) for step in range(6)]
    found = [numbers(table_of(source.read(Window(*pair)))) for pair in pairwise(bounds)]
    assert [number for part in found for number in part] == list(range(30))


def test_one_huge_document_arrives_whole(index: Index) -> None:
    """Among small ones on its page."""
    huge = "é" * 4_000_000
    index.made({**MAPPING, "text": {"type": "text", "index": False}})
    index.add(*numbered(3), {"at": FIRST.isoformat(), "n": 3, "text": huge})
    assert table_of(index.source().read(WINDOW)).sort_by("n")["text"].to_pylist() == [None, None, None, huge]


def test_objects_inside_a_document_are_no_documents_without_a_time(index: Index) -> None:
    """The index keeps nested objects as documents of their own, which belong to no window."""
    stops = {"type": "nested", "properties": {"n": {"type": "long"}}}
    index.made({**MAPPING, "stops": stops}).add(
        {"at": FIRST.isoformat(), "n": 1, "stops": [{"n": 1}, {"n": 2}]}
    )
    table = table_of(index.source().read(WINDOW))
    assert table["stops"].to_pylist() == [[{"n": 1}, {"n": 2}]]
    assert index.source().check().startswith(f"index {index.name}: 1 documents")


def test_an_index_that_keeps_parts_of_its_documents_is_found_out(index: Index) -> None:
    """What `_source` leaves out would come as NULL."""
    body = {"mappings": {"_source": {"excludes": ["n"]}, "properties": MAPPING}}
    httpx.put(f"{index.server}/{index.name}", json=body).raise_for_status()
    with pytest.raises(Misuse, match="keeps parts of _source only"):
        index.source().read(WINDOW)

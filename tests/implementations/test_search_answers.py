"""Where a page ends is seen at its edges, whatever its documents hold."""

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from implementations._search.answers import edges
from pipeline_framework.errors import Unavailable

TEXTS = st.text() | st.sampled_from(['"sort":[7]}]}}', '\\"sort":[7]}]}}', '{"pit_id":"other"'])
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("sort") | TEXTS, inner, max_size=3),
    max_leaves=6,
)
PLACES = st.tuples(st.integers()) | st.tuples(st.integers(), st.sampled_from(["index-1", "ä" * 127, "a[1]"]))


def answered(documents: list[Any], places: list[tuple[Any, ...]]) -> dict[str, Any]:
    """A page in the order of keys in which Elasticsearch writes it."""
    pairs = zip(documents, places, strict=False)
    hits = [
        {"_index": "i", "_id": "1", "_score": None, "_source": {"sort": each}, "sort": list(place)}
        for each, place in pairs
    ]
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    whole = {"pit_id": "the newest", "took": 1, "timed_out": False, "_shards": shards}
    return {**whole, "hits": {"max_score": None, "hits": hits}}


@given(st.lists(VALUES, max_size=3), st.lists(PLACES, min_size=3, max_size=3))
def test_the_next_page_begins_behind_the_last_document(
    documents: list[Any], places: list[tuple[Any, ...]]
) -> None:
    """Also where documents have a field of that name, or text that looks like the end of an answer."""
    page = answered(documents, places)
    expected = ("the newest", list(places[len(documents) - 1]) if documents else None)
    assert edges(msgspec.json.encode(page), "index i") == expected


@given(st.lists(VALUES, min_size=1, max_size=3), st.lists(PLACES, min_size=3, max_size=3))
def test_an_answer_in_another_order_says_the_same(
    documents: list[Any], places: list[tuple[Any, ...]]
) -> None:
    """Keys the other way round, in every object, and room between them."""
    page = answered(documents, places)
    page["hits"]["hits"] = [dict(reversed(hit.items())) for hit in page["hits"]["hits"]]
    turned = msgspec.json.format(msgspec.json.encode(dict(reversed(page.items()))), indent=1)
    assert edges(turned, "index i") == ("the newest", list(places[len(documents) - 1]))


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b'{"pit_id":"p","timed_out":false}', b'{"hits":{"hits":[{}]}}']
)
def test_what_is_no_page_is_unavailable(answer: bytes) -> None:
    """A proxy's own words: worth another try, never the end of the documents."""
    with pytest.raises(Unavailable, match="index i was answered with what is no page"):
        edges(answer, "index i")

"""What goes wrong between a source and a real Elasticsearch: a fake go-between changes single answers."""

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest

from implementations._search import patience, slices
from implementations.elasticsearch.client import ElasticsearchCluster
from pipeline_framework.errors import BadData, Misuse, Unavailable
from pipeline_framework.testing.source_contract import table_of
from tests.implementations.test_elasticsearch import WINDOW, Index, numbered, numbers
from tests.services.go_between import Answered, Asked, GoBetween

pytestmark = pytest.mark.services

ROWS = list(range(40))
BUSY = b'{"error": {"type": "es_rejected_execution_exception", "reason": "queue full"}, "status": 429}'
BROKEN = b'{"error": {"type": "circuit_breaking_exception", "reason": "Data too large"}, "status": 503}'


@pytest.fixture
def index(elasticsearch_server: str, fresh_index: Callable[[], str], between: GoBetween) -> Index:
    """An index of 40 documents, which sources reach through the go-between."""
    made = Index(elasticsearch_server, fresh_index()).made().add(*numbered(len(ROWS)))
    made.server = between.url
    return made


def is_page(asked: Asked) -> bool:
    """Whether a page of a search is asked for."""
    return asked.path.startswith("/_search?")


def first(number: int, answer: Answered) -> Callable[[Asked], Asked | Answered]:
    """Answers the first so many pages in the server's place."""
    pages = count()
    return lambda asked: answer if is_page(asked) and next(pages) < number else asked


@pytest.mark.parametrize("answer", [Answered(429, BUSY), Answered(503, BROKEN)], ids=["queue", "breaker"])
def test_a_busy_server_is_asked_for_smaller_pages(
    index: Index, between: GoBetween, answer: Answered, caplog: pytest.LogCaptureFixture
) -> None:
    """Half as many each time, down to a page that is small enough; every document comes, once."""
    between.before = first(2, answer)
    reading = index.source(slices=1, page_rows=240).read(WINDOW)
    assert numbers(table_of(reading)) == ROWS
    assert [page["size"] for page in between.searches()] == [240, 120, 60, 60]  # the last is empty
    assert "60 documents are asked for in" in caplog.text


def test_no_page_is_smaller_than_the_smallest(index: Index, between: GoBetween) -> None:
    """Nor larger than it was meant to be."""
    between.before = first(2, Answered(429, BUSY))
    index.source(slices=1, page_rows=slices.SMALLEST_PAGE + 1).read(WINDOW).batches.__next__()
    assert {page["size"] for page in between.searches()} == {slices.SMALLEST_PAGE, slices.SMALLEST_PAGE + 1}
    before = len(between.searches())
    between.before = first(2, Answered(429, BUSY))
    assert numbers(table_of(index.source(slices=1, page_rows=7).read(WINDOW))) == ROWS
    assert {page["size"] for page in between.searches()[before:]} == {7}


def test_patience_with_a_busy_server_ends(
    index: Index, between: GoBetween, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is worth another try of the whole phase; the sentence is the server's."""
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    between.before = first(10**6, Answered(429, BUSY))
    with pytest.raises(Unavailable, match=r"is busy \(429: es_rejected_execution_exception: queue full\)"):
        table_of(index.source().read(WINDOW))


PARTIAL: list[dict[str, Any]] = [
    {"timed_out": True},
    {"_shards": {"total": 3, "successful": 2, "skipped": 0, "failed": 1}},
]


@pytest.mark.parametrize("lack", PARTIAL, ids=["timed out", "shards"])
def test_a_page_without_all_of_its_shards_is_not_believed(
    index: Index, between: GoBetween, lack: dict[str, Any]
) -> None:
    """However good the documents in it are."""
    between.after = lambda asked, answer: answer.told(**lack) if is_page(asked) else answer
    with pytest.raises(Unavailable, match="nothing of it is believed"):
        table_of(index.source().read(WINDOW))


@pytest.mark.parametrize("lack", PARTIAL, ids=["timed out", "shards"])
def test_a_count_without_all_of_its_shards_is_not_believed(
    index: Index, between: GoBetween, lack: dict[str, Any]
) -> None:
    """By count, read and check, whichever of the two counts it is."""

    def partial(asked: Asked, answer: Answered) -> Answered:
        if "_msearch" not in asked.path:
            return answer
        responses = httpx.Response(200, content=answer.body).json()["responses"]
        return answer.told(responses=[*responses[:-1], {**responses[-1], **lack}])

    between.after = partial
    source = index.source()
    for ask in (lambda: source.count(WINDOW), lambda: source.read(WINDOW), source.check):
        with pytest.raises(Unavailable, match="nothing of it is believed"):
            ask()


def test_shards_are_never_left_out_by_the_server_either(index: Index, between: GoBetween) -> None:
    """Every search says so, as the server's default is to leave them out."""
    source = index.source(slices=2, page_rows=10)
    source.count(WINDOW)
    table_of(source.read(WINDOW))
    pages = [each.path for each in between.asked if is_page(each)]
    heads = [each.body.partition(b"\n")[0] for each in between.asked if "_msearch" in each.path]
    assert pages
    assert all("allow_partial_search_results=false" in path for path in pages)
    assert heads == [b'{"allow_partial_search_results":"false"}'] * 2


def test_one_of_two_counts_that_fails_fails_both(index: Index, between: GoBetween) -> None:
    """A search among several has a status of its own."""

    def refused(asked: Asked, answer: Answered) -> Answered:
        failed = {"error": {"type": "circuit_breaking_exception", "reason": "full"}, "status": 429}
        responses = httpx.Response(200, content=answer.body).json().get("responses", [])
        return answer.told(responses=[*responses[:-1], failed]) if responses else answer

    between.after = refused
    with pytest.raises(Unavailable, match=r"is busy \(429: circuit_breaking_exception: full\)"):
        index.source().count(WINDOW)


def test_a_point_in_time_that_was_forgotten_starts_the_reading_anew(index: Index, between: GoBetween) -> None:
    """The real server lost it in mid-read; the sentence says so, and another reading has every row."""
    source = index.source(slices=1, page_rows=2)
    batches = source.read(WINDOW).batches
    rows = next(batches).num_rows
    point = between.searches()[0]["pit"]["id"]
    httpx.request("DELETE", f"{between.server}/_pit", json={"id": point}).raise_for_status()
    with pytest.raises(Unavailable, match="forgot the point in time"):
        rows += sum(batch.num_rows for batch in batches)
    assert rows < len(ROWS)
    assert numbers(table_of(source.read(WINDOW))) == ROWS


def streams_since(before: set[threading.Thread]) -> set[threading.Thread]:
    """Threads of this process that were not there before, but for those of the go-between."""
    return {each for each in set(threading.enumerate()) - before if "process_request" not in each.name}


@pytest.mark.parametrize("told", [{}, PARTIAL[0]], ids=["closed", "broken"])
def test_a_reading_that_is_given_up_leaves_nothing_behind(
    index: Index, between: GoBetween, told: dict[str, Any]
) -> None:
    """No thread that asks on, and no point in time on the server."""
    between.after = lambda asked, answer: answer.told(**told) if is_page(asked) else answer
    batches, before = index.source(slices=2, page_rows=1).read(WINDOW).batches, set(threading.enumerate())
    with closing(batches), suppress(Unavailable):  # type: ignore[type-var]
        next(batches)
        assert streams_since(before)
    assert streams_since(before) == set()
    assert between.asked[-1].method == "DELETE"


def test_a_reading_that_never_begins_leaves_no_point_in_time(index: Index, between: GoBetween) -> None:
    """Nobody took a row of it: what fails before the first, as a stage that is fenced, closes it."""
    with closing(index.source().read(WINDOW).batches):  # type: ignore[type-var]
        assert between.asked[-1].method != "DELETE"
    assert between.asked[-1].method == "DELETE"


def test_a_reading_that_is_refused_leaves_no_point_in_time(index: Index, between: GoBetween) -> None:
    """Its count is taken at the point in time, and may end the reading before it has begun."""
    index.add({"number": 41})
    with pytest.raises(BadData, match=r"1 rows of index .* have no at"):
        index.source().read(WINDOW)
    assert between.asked[-1].method == "DELETE"


def test_each_slice_sends_the_newest_name_of_its_point_in_time(index: Index, between: GoBetween) -> None:
    """The server may give another with every page; the newest are let go of, and no other."""
    real, given = dict[str, str](), dict[int, list[str]]()

    def renamed(asked: Asked, answer: Answered) -> Answered:
        if not is_page(asked):
            return answer
        name, known = f"name {len(real)}", asked.json["pit"]["id"]
        real[name] = real.get(known, known)
        given.setdefault(asked.json["slice"]["id"], []).append(name)
        return answer.told(pit_id=name)

    def translated(asked: Asked) -> Asked:
        body = asked.body
        for name, point in sorted(real.items(), reverse=True):
            body = body.replace(f'"{name}"'.encode(), f'"{point}"'.encode())
        return replace(asked, body=body)

    between.before, between.after = translated, renamed
    assert numbers(table_of(index.source(slices=2, page_rows=6).read(WINDOW))) == ROWS
    for number, names in given.items():
        sent = [page["pit"]["id"] for page in between.searches() if page["slice"]["id"] == number]
        assert sent[1:] == names[:-1]
    let_go = [each.json["id"] for each in between.asked if each.method == "DELETE"]
    assert sorted(let_go) == sorted(names[-1] for names in given.values())


def test_many_documents_are_read_in_fine_slices(
    index: Index, between: GoBetween, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shared by the streams; each slice is read once, and no document comes twice or never."""
    monkeypatch.setattr(ElasticsearchCluster, "slice_rows", 5)
    assert numbers(table_of(index.source(slices=3, page_rows=4).read(WINDOW))) == ROWS
    parts = [page["slice"] for page in between.searches() if "search_after" not in page]
    assert sorted((part["id"], part["max"]) for part in parts) == [(number, 8) for number in range(8)]


def test_slices_are_dealt_to_the_streams_in_turn(
    index: Index, between: GoBetween, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No stream has all of them while another has none."""
    monkeypatch.setattr(ElasticsearchCluster, "slice_rows", 5)
    with index.source()._connected() as cluster:
        dealt = slices.dealt(3, 40, cluster)
    assert [len(each) for each in dealt] == [3, 3, 2]
    assert sorted(part["slice"]["id"] for each in dealt for part in each) == list(range(8))


def test_no_index_is_asked_for_more_slices_than_it_allows(
    index: Index, between: GoBetween, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many documents there are."""
    monkeypatch.setattr(ElasticsearchCluster, "slice_rows", 1)
    monkeypatch.setattr(slices, "MOST_SLICES", 6)
    assert numbers(table_of(index.source().read(WINDOW))) == ROWS
    assert {page["slice"]["max"] for page in between.searches()} == {6}


@pytest.mark.parametrize("bytes_", [0, 1000])
def test_a_connection_that_breaks_in_mid_page_costs_that_page(
    index: Index, between: GoBetween, bytes_: int
) -> None:
    """It is asked for again, from where it began; every document comes, once."""
    pages = count()

    def broken(asked: Asked, answer: Answered) -> Answered:
        return replace(answer, cut=bytes_) if is_page(asked) and next(pages) == 2 else answer

    between.after = broken
    table = table_of(index.source(slices=1, page_rows=8).read(WINDOW))
    assert numbers(table) == ROWS
    behind = [page.get("search_after") for page in between.searches()]
    assert behind[2] == behind[3]


def test_rows_that_never_came_are_missed(index: Index, between: GoBetween) -> None:
    """A page that lacks a document is no end of the reading as long as the count knows better."""

    def shorter(asked: Asked, answer: Answered) -> Answered:
        hits = httpx.Response(200, content=answer.body).json().get("hits")
        return answer.told(hits={**hits, "hits": hits["hits"][1:]}) if is_page(asked) else answer

    between.after = shorter
    with pytest.raises(Unavailable, match=r"gave \d+ rows where 40 were counted"):
        table_of(index.source(slices=1).read(WINDOW))


def test_an_answer_that_is_no_json_is_unavailable(index: Index, between: GoBetween) -> None:
    """A proxy's page of its own, in one line."""
    between.before = first(10**6, Answered(500, b"<html>\n<body>oops</body>", {"Content-Type": "text/html"}))
    with pytest.raises(Unavailable, match="500") as raised:
        table_of(index.source().read(WINDOW))
    assert "\n" not in str(raised.value)


def test_credentials_without_the_right_are_told_of(index: Index, between: GoBetween) -> None:
    """A page that the server forbids is not asked for again."""
    body = b'{"error": {"type": "security_exception", "reason": "action is unauthorized"}, "status": 403}'
    between.before = first(10**6, Answered(403, body))
    with pytest.raises(Misuse, match=r"action is unauthorized.*the privileges read and view_index_metadata"):
        table_of(index.source(slices=1).read(WINDOW))
    assert len(between.searches()) == 1


def test_a_rejected_query_is_misuse(index: Index, between: GoBetween) -> None:
    """Not tried again: one request, one sentence with the key to correct."""
    with pytest.raises(Misuse, match=r"source.query"):
        index.source(query={"range": {"n": {"gte": "x"}}}).count(WINDOW)
    assert len([each for each in between.asked if "_msearch" in each.path]) == 1


def test_the_batches_keep_their_types_after_trouble(index: Index, between: GoBetween) -> None:
    """A page that was asked for in two sizes is of one schema."""
    between.before = first(1, Answered(429, BUSY))
    reading = index.source(slices=1, page_rows=100).read(WINDOW)
    assert {batch.schema for batch in reading.batches} == {pa.schema(reading.schema)}


def test_a_server_older_than_the_client_is_told_with_the_client_for_it(
    index: Index, between: GoBetween
) -> None:
    """A client of version 9 asks in a way that a server of version 8 refuses as a whole."""
    reason = "Invalid media-type value on headers [Content-Type, Accept]"
    error = {"type": "media_type_header_exception", "reason": reason}
    between.before = lambda _: Answered(400, msgspec.json.encode({"error": error, "status": 400}))
    with pytest.raises(Misuse) as refused:
        index.source().check()
    assert str(refused.value) == (
        f"{between.url} is of an older major version than the client that is installed here: "
        "`pip install 'elasticsearch<9'` for a server of version 8."
    )

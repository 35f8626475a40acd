"""Rows that meet by key on a real Elasticsearch while others write, let in at the worst moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from implementations._search import documents as _documents
from implementations._search import meeting, patience
from implementations.elasticsearch.target import ElasticsearchTarget
from implementations.loading.write_modes import Write
from pipeline_framework.errors import BadData, Fenced, Unavailable
from pipeline_framework.testing.meeting import Event, expected, load, staged
from pipeline_framework.testing.truth import TIME_FIELD, WINDOW, lock_for
from tests.implementations.search_targets import documents, made, through
from tests.services.go_between import Answered, Asked, GoBetween

pytestmark = pytest.mark.services

HARD = Write("upsert", ["id"], deleted_by="gone")


@pytest.fixture
def target(elasticsearch_server: str, fresh_index: Callable[[], str]) -> ElasticsearchTarget:
    """Of an alias that is not there yet."""
    return made(elasticsearch_server, fresh_index, write=HARD)


def shown(target: ElasticsearchTarget) -> list[tuple[int, str, bool]]:
    """What a reader of the alias finds."""
    return sorted((row["id"], row["value"], row["gone"]) for row in documents(target))


def once(path: str, work: Callable[[], object]) -> Callable[[Asked], Asked]:
    """Does something before the first request to such an address."""
    times = count()

    def before(asked: Asked) -> Asked:
        if asked.path.partition("?")[0].endswith(path) and next(times) == 0:
            work()
        return asked

    return before


@pytest.mark.parametrize("first", [[], [Event(0, 1, 0)]], ids=["nothing", "a row"])
@pytest.mark.parametrize("gone", [False, True], ids=["row", "deletion"])
def test_what_is_written_after_the_look_is_looked_at_again(
    target: ElasticsearchTarget, between: GoBetween, tmp_path: Path, first: list[Event], gone: bool
) -> None:
    """Another window brings a newer row, or takes it out, between a load's look and its change."""
    happened = [*first, Event(1, 1, 0), Event(2, 1, 0, gone=gone), Event(1, 2, 0)]
    load(target, tmp_path, 0, happened, 1)
    between.before = once(f"{target.index}/_bulk", lambda: load(target, tmp_path, 2, happened, 2))
    loaded = load(through(between, target), tmp_path, 1, happened, 3)
    assert shown(target) == expected(happened, soft=False)
    assert loaded.changes == {"inserted": 1, "updated": 0, "deleted": 0}
    assert len([asked for asked in between.asked if asked.path == f"/{target.index}/_bulk"]) == 1


def test_an_older_row_that_came_after_the_look_is_replaced(
    target: ElasticsearchTarget, between: GoBetween, tmp_path: Path
) -> None:
    """The change that met it is made anew, for that row alone."""
    happened = [Event(0, 1, 0), Event(1, 1, 0), Event(1, 2, 0)]
    between.before = once(f"{target.index}/_bulk", lambda: load(target, tmp_path, 0, happened, 1))
    loaded = load(through(between, target), tmp_path, 1, happened, 2)
    assert shown(target) == expected(happened, soft=False)
    assert loaded.changes == {"inserted": 1, "updated": 1, "deleted": 0}
    sent = [asked.body.count(b"\n") for asked in between.asked if asked.path.endswith("/_bulk")]
    assert sent == [4, 2]


@pytest.mark.parametrize("moment", ["_mget", "_bulk"])
def test_who_was_overtaken_changes_nothing_that_a_newer_epoch_wrote(
    target: ElasticsearchTarget, between: GoBetween, tmp_path: Path, moment: str
) -> None:
    """The newer one staged another value of the same version: before the older one's look, or after it."""
    row = Event(1, 1, 0).row
    newer = staged(tmp_path, [{**row, "value": "newer"}])
    between.before = once(
        f"{target.index}/{moment}", lambda: target.load(lock_for(epoch=2, owner="run 2"), newer)
    )
    with pytest.raises(Fenced):
        through(between, target).load(lock_for(epoch=1), staged(tmp_path, [row]))
    assert shown(target) == [(1, "newer", False)]
    loaded = target.loaded(lock_for())
    assert loaded
    assert loaded.epoch == 2


def test_windows_at_once_leave_the_newest(
    target: ElasticsearchTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three threads, one row a request, twice each: as if they had come in order."""
    monkeypatch.setattr(_documents, "REQUEST", 1)
    happened = [
        Event(window, number, number, gone=(window + number) % 3 == 0)
        for window in range(3)
        for number in range(8)
    ]
    load(target, tmp_path, 0, happened, 1)  # who makes the index makes it alone
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(load, target, tmp_path / f"{window}-{epoch}", window, happened, epoch)
            for epoch in (2, 3)
            for window in range(3)
        ]
    for job in jobs:
        assert job.exception() is None or isinstance(job.exception(), Fenced)
    assert shown(target) == expected(happened, soft=False)


def test_a_lost_answer_changes_no_outcome(
    target: ElasticsearchTarget, between: GoBetween, tmp_path: Path
) -> None:
    """The server made the changes; they are offered again, met, looked at, and made once more."""
    happened = [Event(0, 1, 0), Event(1, 1, 0, gone=True), Event(1, 2, 0)]
    load(target, tmp_path, 0, happened, 1)
    times = count()

    def lost(asked: Asked, answer: Answered) -> Answered:
        first = asked.path.endswith("/_bulk") and next(times) == 0
        return replace(answer, cut=0) if first else answer

    between.after = lost
    assert load(through(between, target), tmp_path, 1, happened, 2).rows == 2
    assert shown(target) == expected(happened, soft=False)


def test_a_busy_server_gets_the_refused_changes_again(
    target: ElasticsearchTarget, between: GoBetween, tmp_path: Path
) -> None:
    """Together with what met others meanwhile, which is not forgotten for it."""
    happened = [Event(0, 1, 0), Event(1, 1, 0), Event(1, 2, 0), Event(1, 3, 0)]
    between.before = once(f"{target.index}/_bulk", lambda: load(target, tmp_path, 0, happened, 1))
    times = count()

    def refused(asked: Asked, answer: Answered) -> Answered:
        if not asked.path.endswith("/_bulk") or next(times):
            return answer
        items = httpx.Response(200, content=answer.body).json()["items"]
        told = items[2]["create"]
        url = f"{between.server}/{told['_index']}/_doc/{told['_id']}"
        httpx.delete(url).raise_for_status()  # as if the server had not made this change
        told |= {"status": 429, "error": {"type": "es_rejected_execution_exception"}}
        return answer.told(errors=True, items=items)

    between.after = refused
    loaded = load(through(between, target), tmp_path, 1, happened, 2)
    assert shown(target) == expected(happened, soft=False)
    assert loaded.changes == {"inserted": 2, "updated": 1, "deleted": 0}


def test_rejected_rows_fail_the_merge(
    target: ElasticsearchTarget, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with the reason; the ledger knows of no load."""
    load(target, tmp_path, 0, [], 1)
    more = {"properties": {"fresh": {"type": "ip"}}}
    httpx.put(f"{target.url.get_secret_value()}/{target.index}/_mapping", json=more).raise_for_status()
    rows = [{**Event(1, number, 0).row, "fresh": text} for number, text in ((1, "nonsense"), (2, "::1"))]
    with pytest.raises(BadData, match=r"rejected 1 documents.*'nonsense' is not an IP"):
        target.load(lock_for(epoch=2), staged(tmp_path, rows))
    assert "nonsense" in caplog.text
    assert target.loaded(lock_for()) is None


def test_what_cannot_be_looked_at_is_not_taken_for_nothing(
    target: ElasticsearchTarget, between: GoBetween, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that a shard does not answer for is asked for again, for a while: of index and ledger."""
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    happened = [Event(0, 1, 0), Event(1, 1, 0)]
    load(target, tmp_path, 1, happened, 1)
    late = through(between, target)
    between.after = silent(target.index)
    with pytest.raises(Unavailable, match="cannot say what is there"):
        load(late, tmp_path, 0, happened, 2)
    between.after = silent(target.ledger)
    with pytest.raises(Unavailable, match="cannot say what is there"):
        late.loaded(lock_for())
    assert shown(target) == expected(happened, soft=False)


def test_looking_again_has_an_end(
    target: ElasticsearchTarget, between: GoBetween, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer says of a document again and again that it is not there, and of its making that it is."""
    monkeypatch.setattr(meeting, "ROUNDS", 3)
    happened = [Event(0, 1, 0), Event(1, 1, 0)]
    load(target, tmp_path, 0, happened, 1)

    def blind(asked: Asked, answer: Answered) -> Answered:
        if asked.path != f"/{target.index}/_mget":
            return answer
        docs = httpx.Response(200, content=answer.body).json()["docs"]
        return answer.told(docs=[{"_id": each["_id"], "found": False} for each in docs])

    between.after = blind
    with pytest.raises(Unavailable, match=r"1 documents of index .* 3 times over"):
        load(through(between, target), tmp_path, 1, happened, 2)
    assert shown(target) == expected(happened[:1], soft=False)


def silent(index: str) -> Callable[[Asked, Answered], Answered]:
    """Answers for no document of the index."""
    why = {"error": {"type": "no_shard_available_action_exception", "reason": "No shard available"}}

    def after(asked: Asked, answer: Answered) -> Answered:
        if asked.path != f"/{index}/_mget":
            return answer
        docs = httpx.Response(200, content=answer.body).json()["docs"]
        return answer.told(docs=[{"_index": index, "_id": each["_id"], **why} for each in docs])

    return after


@pytest.mark.parametrize("source", [{"value": "x"}, {TIME_FIELD: 7}, {TIME_FIELD: "yesterday"}], ids=str)
def test_a_document_of_somebody_else_is_not_compared_by_chance(
    target: ElasticsearchTarget, tmp_path: Path, source: dict[str, Any]
) -> None:
    """Under the id of a key, but without a version that compares: it is named, and stays."""
    load(target, tmp_path, 1, [Event(1, 1, 0)], 1)
    server = target.url.get_secret_value()
    answer = httpx.get(f"{server}/{target.index}/_search").json()
    name = answer["hits"]["hits"][0]["_id"]
    loose = {"mappings": {"properties": {TIME_FIELD: {"type": "date", "ignore_malformed": True}}}}
    other = replace(target, index=f"{target.index}_other", write=Write("upsert_only", ["id"]))
    httpx.put(f"{server}/{other.index}", json=loose).raise_for_status()
    try:
        httpx.put(f"{server}/{other.index}/_doc/{name}", json=source).raise_for_status()
        with pytest.raises(BadData, match=f"Document {name} of index .* somebody else wrote it"):
            other.load(lock_for(WINDOW), staged(tmp_path, [Event(1, 1, 9).row]))
    finally:
        httpx.delete(f"{server}/{other.index}").raise_for_status()

"""The Elasticsearch target keeps the contract, on a real server; what it promises instead of transactions."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations._search import documents as _documents
from implementations._search.target import SearchTarget
from implementations.elasticsearch.source import ElasticsearchSource
from implementations.elasticsearch.target import ElasticsearchTarget
from pipeline_framework.errors import BadData, Fenced, Misuse, Unavailable
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing.scope_contract import ScopeContract, Scoped
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.target_contract import Put, TargetContract
from pipeline_framework.testing.truth import (
    AFTER,
    SCHEMA,
    TIME_FIELD,
    WINDOW,
    lock_for,
    rows_of,
    truth,
)
from tests.implementations.search_targets import documents, killed, made, rows, table, through
from tests.services.go_between import Answered, Asked, GoBetween

pytestmark = pytest.mark.services


class HealingContract(TargetContract):
    """The contract of targets, but for a crash: there are no transactions."""

    def rows(self, target: Target) -> pa.Table:
        assert isinstance(target, SearchTarget)
        return table(target)

    def crash(self, target: Target, lock: Lock, staged: Staged, step: int) -> bool:
        return killed(target, lock, staged, step, request=1000)

    def test_a_crash_at_any_step_leaves_the_old_rows_or_the_new(self, target: Target, put: Put) -> None:
        """Not at every step; but the ledger claims no load that was not complete, and the next one heals."""
        fewer, step = put(truth(rows=10).select(self.columns)), 0
        while True:
            target.load(lock_for(epoch=1 + 10 * step), put())
            crashed = self.crash(target, lock_for(epoch=2 + 10 * step, owner="killed"), fewer, step)
            ledger, there = target.loaded(lock_for()), target.count(WINDOW)
            assert ledger
            assert there
            assert (ledger.owner, ledger.rows) in {("run 1", 60), ("killed", 10)}
            assert ledger.owner == "run 1" or there == 10
            assert 10 <= there <= 60
            with pytest.raises(Fenced):
                target.load(lock_for(epoch=1 + 10 * step, owner="older"), put())
            healed = target.load(lock_for(epoch=3 + 10 * step), put(truth(rows=20).select(self.columns)))
            assert healed.rows == target.count(WINDOW) == 20
            assert rows_of(self.rows(target)) == rows_of(truth(rows=20).select(self.columns))
            if not crashed:
                break
            step += 1
        assert step > 8


class TestElasticsearchTarget(HealingContract):
    """Everything that JSON can say; the distribution for tests knows no `unsigned_long`."""

    columns = tuple(name for name in SCHEMA.names if name != "unsigned")

    @pytest.fixture
    def target(self, elasticsearch_server: str, fresh_index: Callable[[], str]) -> ElasticsearchTarget:
        return made(elasticsearch_server, fresh_index)


class TestElasticsearchScope(ScopeContract):
    """Pipelines that share an index."""

    @pytest.fixture
    def scoped(self, elasticsearch_server: str, fresh_index: Callable[[], str]) -> Scoped:
        index, ledger = fresh_index(), fresh_index()

        def target(scope: Mapping[str, str | int]) -> ElasticsearchTarget:
            url = SecretStr(elasticsearch_server)
            return ElasticsearchTarget(url, index, TIME_FIELD, scope=scope, ledger=ledger)

        return target


@pytest.fixture
def target(elasticsearch_server: str, fresh_index: Callable[[], str]) -> ElasticsearchTarget:
    """Of an index that is not there yet."""
    return made(elasticsearch_server, fresh_index)


def test_ids_may_come_from_a_column(target: ElasticsearchTarget, put: Put) -> None:
    """It is no field of the document; loaded again, what is not there any more goes."""
    own = replace(target, id_column="key")
    own.load(lock_for(), put(rows(key=["a", "b", "c"], n=[1, 2, 3])))
    own.load(lock_for(epoch=2), put(rows(key=["c", "b"], n=[30, 20])))
    found = httpx.get(f"{target.url.get_secret_value()}/{target.index}/_search").json()["hits"]["hits"]
    assert {hit["_id"]: hit["_source"]["n"] for hit in found} == {"b": 20, "c": 30}
    assert all("key" not in hit["_source"] for hit in found)


def test_ids_that_are_not_each_rows_own_are_told_of(target: ElasticsearchTarget, put: Put) -> None:
    """Two rows, one document: the ledger does not take it for a load; no key at all is refused too."""
    own = replace(target, id_column="key")
    with pytest.raises(BadData, match="some have the same key"):
        own.load(lock_for(), put(rows(key=["a", "a", "c"])))
    assert own.loaded(lock_for()) is None
    with pytest.raises(BadData, match=r"Row 1 has no key, which `target.id_column`"):
        own.load(lock_for(epoch=2), put(rows(key=["a", None])))


def test_rejected_documents_are_told_of_one_by_one(
    target: ElasticsearchTarget, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with its id and the reason; the ledger knows of no load, and correct rows heal the window."""
    server = target.url.get_secret_value()
    body = {"mappings": {"properties": {TIME_FIELD: {"type": "date"}, "n": {"type": "ip"}}}}
    httpx.put(f"{server}/{target.index}", json=body).raise_for_status()
    with pytest.raises(
        BadData, match=r"rejected 2 documents.*-1, because .*'nonsense' is not an IP"
    ) as raised:
        target.load(lock_for(), put(rows(n=["10.0.0.1", "nonsense", "10.0.0.2", "more"])))
    assert "\n" not in str(raised.value)
    told = [record.getMessage() for record in caplog.records if "was rejected" in record.getMessage()]
    assert ["nonsense" in told[0], "more" in told[1]] == [True, True]
    assert target.loaded(lock_for()) is None
    assert target.load(lock_for(epoch=2), put(rows(n=["10.0.0.1"]))).rows == target.count(WINDOW) == 1


def test_an_older_epoch_overwrites_no_document(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """Overtaken after it looked at the ledger for the last time, it is stopped by the document's version."""
    old = put(truth(rows=5).select([TIME_FIELD, "text"]))
    new = put(truth(rows=8).select([TIME_FIELD, "number"]))
    late = through(between, target)

    def overtaken(asked: Asked) -> Asked:
        if asked.path.endswith("/_bulk") and not target.loaded(lock_for()):
            target.load(lock_for(epoch=2), new)
        return asked

    between.before = overtaken
    with pytest.raises(Fenced, match="a newer epoch wrote documents of this window already"):
        late.load(lock_for(epoch=1), old)
    assert (target.count(WINDOW), {name for row in documents(target) for name in row}) == (
        8,
        {TIME_FIELD, "number"},
    )


def test_who_was_overtaken_stops_before_the_next_request(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """The ledger is asked before each, and the load is not told of where it was taken."""
    late = through(between, target)

    def overtaken(asked: Asked, answer: Answered) -> Answered:
        if asked.path.endswith("/_refresh") and not target.loaded(lock_for()):
            target.load(lock_for(epoch=2), put(truth(rows=0).select([TIME_FIELD])))
        return answer

    between.after = overtaken
    with pytest.raises(Fenced):
        late.load(lock_for(epoch=1), put(truth(rows=5).select([TIME_FIELD, "text"])))
    loaded = target.loaded(lock_for())
    assert loaded
    assert (loaded.epoch, loaded.rows, target.count(WINDOW)) == (2, 0, 0)


def test_who_was_overtaken_sends_no_further_request(
    target: ElasticsearchTarget, between: GoBetween, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is asked before each: rows that the newer load does not have would stay."""
    monkeypatch.setattr(_documents, "REQUEST", 1)
    late = through(between, target)

    def overtaken(asked: Asked, answer: Answered) -> Answered:
        if asked.path.endswith("/_bulk") and not target.loaded(lock_for()):
            target.load(lock_for(epoch=2), put(truth(rows=1).select([TIME_FIELD])))
        return answer

    between.after = overtaken
    with pytest.raises(Fenced):
        late.load(lock_for(epoch=1), put(truth(rows=5).select([TIME_FIELD, "text"])))
    assert len([asked for asked in between.asked if asked.path.endswith("/_bulk")]) == 1
    assert target.count(WINDOW) == 1


def test_a_load_is_told_of_by_its_holder_alone(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """Taken at the last moment, its row of the ledger is not written."""
    late = through(between, target)
    writes = count()

    def overtaken(asked: Asked) -> Asked:
        if asked.method == "PUT" and "/_doc/" in asked.path and next(writes) == 1:
            target.clear(lock_for(epoch=2))
        return asked

    between.before = overtaken
    with pytest.raises(Fenced, match="is another run's by now"):
        late.load(lock_for(epoch=1), put(truth(rows=5).select([TIME_FIELD])))
    loaded = target.loaded(lock_for())
    assert loaded
    assert (loaded.epoch, loaded.rows, target.count(WINDOW)) == (2, 0, 0)


def test_a_busy_server_gets_the_refused_documents_again(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """Those alone, after a while."""
    late = through(between, target)
    requests = count()

    def refused(asked: Asked, answer: Answered) -> Answered:
        if not asked.path.endswith("/_bulk") or next(requests):
            return answer
        items = httpx.Response(200, content=answer.body).json()["items"]
        items[3]["index"] |= {"status": 429, "error": {"type": "es_rejected_execution_exception"}}
        return answer.told(errors=True, items=items)

    between.after = refused
    assert late.load(lock_for(), put(truth(rows=9).select([TIME_FIELD]))).rows == 9
    sent = [asked.body.count(b"\n") for asked in between.asked if asked.path.endswith("/_bulk")]
    assert sent == [18, 2]


def test_foreign_documents_of_the_window_go(target: ElasticsearchTarget, put: Put) -> None:
    """Written by somebody else, under any id and any version; those of other windows stay."""
    target.load(lock_for(), put(truth(rows=5).select([TIME_FIELD, "text"])))
    url = f"{target.url.get_secret_value()}/{target.index}/_doc?refresh=true"
    for time in (WINDOW.start, AFTER.start):
        httpx.post(url, json={TIME_FIELD: time.isoformat(), "text": "foreign"}).raise_for_status()
    newer = (
        f"{target.url.get_secret_value()}/{target.index}/_doc/9-9?version=99&version_type=external&refresh"
    )
    httpx.put(newer, json={TIME_FIELD: WINDOW.start.isoformat()}).raise_for_status()
    assert (target.count(WINDOW), target.count(AFTER)) == (7, 1)
    assert target.load(lock_for(epoch=2), put(truth(rows=5).select([TIME_FIELD, "text"]))).rows == 5
    assert (target.count(WINDOW), target.count(AFTER)) == (5, 1)


def test_an_index_goes_into_another_value_by_value(
    target: ElasticsearchTarget, put: Put, fresh_index: Callable[[], str]
) -> None:
    """From a target to a source and into the next target: documents are the same, ids too."""
    server = target.url.get_secret_value()
    kept = [name for name in SCHEMA.names if name not in {"raw", "local", "day", "unsigned"}]
    target.load(lock_for(), put(truth().select(kept)))
    columns = {"tags": "list<string>", "place.at": "list<double>", "amount": "decimal(38,9)"}
    source = ElasticsearchSource(
        SecretStr(server), target.index, TIME_FIELD, columns=columns, id_column="_id"
    )
    read = table_of(source.read(WINDOW))
    assert rows_of(read.select(kept)) == rows_of(truth().select(kept))
    copy = made(server, fresh_index, id_column="_id")
    copy.load(lock_for(), put(read))
    assert rows_of(table(copy)) == rows_of(truth().select(kept))
    hits = [
        httpx.get(f"{server}/{each.index}/_search?size=100").json()["hits"]["hits"] for each in (target, copy)
    ]
    ids = [{hit["_id"]: hit["_source"][TIME_FIELD] for hit in found} for found in hits]
    assert ids[0] == ids[1]


def test_a_time_field_that_is_no_date_is_refused(target: ElasticsearchTarget, put: Put) -> None:
    """Before anything is written."""
    server = target.url.get_secret_value()
    body = {"mappings": {"properties": {TIME_FIELD: {"type": "keyword"}}}}
    httpx.put(f"{server}/{target.index}", json=body).raise_for_status()
    with pytest.raises(BadData, match=f"Column {TIME_FIELD} of index {target.index} is keyword"):
        target.load(lock_for(), put(rows(n=[1])))
    with pytest.raises(Misuse, match="is keyword, not a date"):
        target.count(WINDOW)


def test_nobody_there_is_unavailable(put: Put) -> None:
    """Worth another try; no secret in the sentence."""
    nobody = ElasticsearchTarget(SecretStr("http://me:secret@127.0.0.1:9"), "events", TIME_FIELD)
    with pytest.raises(Unavailable, match="does not answer") as raised:
        nobody.load(lock_for(), put(rows(n=[1])))
    assert "secret" not in f"{raised.value}{nobody}"


def test_a_lost_answer_of_the_ledger_is_no_overtaking(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """The server heard it; the change is asked for again, refused, and found to be our own."""
    own = through(between, target)
    epochs = list[int]()

    def lost(asked: Asked, answer: Answered) -> Answered:
        if asked.method != "PUT" or "/_doc/" not in asked.path:
            return answer
        epochs.append(asked.json["epoch"])
        return replace(answer, cut=0) if epochs.count(epochs[-1]) == 1 else answer

    between.after = lost
    assert own.load(lock_for(), put(truth(rows=5).select([TIME_FIELD]))).rows == 5
    loaded = target.loaded(lock_for())
    assert loaded
    assert (loaded.epoch, loaded.rows, target.count(WINDOW)) == (1, 5, 5)

"""The Elasticsearch target keeps the contract, on a real server; what it promises instead of transactions."""

import base64
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations._search import documents as _documents
from implementations._search.target import SearchTarget
from implementations.elasticsearch.client import ElasticsearchCluster
from implementations.elasticsearch.source import ElasticsearchSource
from implementations.elasticsearch.target import ElasticsearchTarget
from implementations.opensearch.client import OpenSearchCluster
from pipeline_framework.errors import BadData, Fenced, Misuse, Unavailable
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing import meeting
from pipeline_framework.testing.scope_contract import ScopeContract, Scoped
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.staged import processes, staged_in
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
from tests.services.go_between import Answered, Asked, go_between

pytestmark = pytest.mark.services


def documents(target: SearchTarget) -> list[dict[str, Any]]:
    """What is in the index, as it was sent, by no client of ours."""
    url = f"{target.url.get_secret_value()}/{target.index}/_search?size=10000"
    answer = httpx.get(url).raise_for_status().text
    return [hit["_source"] for hit in json.loads(answer, parse_float=Decimal)["hits"]["hits"]]


def table(target: SearchTarget) -> pa.Table:
    """The same as rows of the contract's types, and text where it has none."""
    found = documents(target)
    names = sorted({name for row in found for name in row})
    known = {field.name: field.type for schema in (meeting.SCHEMA, SCHEMA) for field in schema}
    kinds = {name: known.get(name, pa.string()) for name in names}
    rows = [{name: typed(row.get(name), kind) for name, kind in kinds.items()} for row in found]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def typed(value: Any, kind: pa.DataType) -> Any:
    """A value of JSON in Python."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [typed(each, kind.value_type) for each in value]
    if pa.types.is_struct(kind):
        return {field.name: typed(value.get(field.name), field.type) for field in kind}
    readers: list[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]]] = [
        (pa.types.is_floating, float),
        (pa.types.is_decimal, Decimal),
        (pa.types.is_timestamp, datetime.fromisoformat),
        (pa.types.is_date, date.fromisoformat),
        (pa.types.is_binary, base64.b64decode),
    ]
    return next((read(value) for fits, read in readers if fits(kind)), value)


def killed(step: int, target: Target, lock: Lock, staged: Staged, request: int) -> bool:
    """Whether a load in a process of its own, which is to die at that step, was killed."""
    process = processes().Process(target=killed_at, args=(step, target, lock, staged, request))
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def killed_at(step: int, target: Target, lock: Lock, staged: Staged, request: int) -> None:
    """Load, and die before the request of that number; so many bytes of rows go in one, about."""
    _documents.REQUEST = request
    requests = count()
    for cluster in (ElasticsearchCluster, OpenSearchCluster):

        def ask(self: Any, *arguments: Any, real: Any = cluster.ask, **parameters: Any) -> Any:
            if next(requests) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, *arguments, **parameters)

        cluster.ask = ask  # type: ignore[method-assign]
    target.load(lock, staged)


class HealingContract(TargetContract):
    """The contract of targets, but for a crash: there are no transactions."""

    def rows(self, target: Target) -> pa.Table:
        assert isinstance(target, SearchTarget)
        return table(target)

    def crash(self, target: Target, lock: Lock, staged: Staged, step: int) -> bool:
        return killed(step, target, lock, staged, request=1000)

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


def made(server: str, fresh_index: Callable[[], str], **settings: Any) -> ElasticsearchTarget:
    """A target of an index and a ledger of its own."""
    named = {"index": fresh_index(), "ledger": fresh_index(), "time_field": TIME_FIELD}
    return ElasticsearchTarget(**{"url": SecretStr(server), **named, **settings})


@pytest.fixture
def target(elasticsearch_server: str, fresh_index: Callable[[], str]) -> ElasticsearchTarget:
    """The same."""
    return made(elasticsearch_server, fresh_index)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages a table."""
    return lambda rows: staged_in(tmp_path / "staged", rows)


def timed(**columns: Any) -> pa.Table:
    """Rows of the window's first instants."""
    rows = len(next(iter(columns.values())))
    times = [WINDOW.start + timedelta(seconds=number) for number in range(rows)]
    return pa.table({TIME_FIELD: pa.array(times, pa.timestamp("us", "UTC")), **columns})


def test_ids_may_come_from_a_column(target: ElasticsearchTarget, put: Put) -> None:
    """It is no field of the document; loaded again, what is not there any more goes."""
    own = made(target.url.get_secret_value(), lambda: target.index, ledger=target.ledger, id_column="key")
    own.load(lock_for(), put(timed(key=["a", "b", "c"], n=[1, 2, 3])))
    own.load(lock_for(epoch=2), put(timed(key=["c", "b"], n=[30, 20])))
    found = httpx.get(f"{target.url.get_secret_value()}/{target.index}/_search").json()["hits"]["hits"]
    assert {hit["_id"]: hit["_source"]["n"] for hit in found} == {"b": 20, "c": 30}
    assert all("key" not in hit["_source"] for hit in found)


def test_ids_that_are_not_each_rows_own_are_told_of(target: ElasticsearchTarget, put: Put) -> None:
    """Two rows, one document: the ledger does not take it for a load; no key at all is refused too."""
    own = made(target.url.get_secret_value(), lambda: target.index, ledger=target.ledger, id_column="key")
    with pytest.raises(BadData, match="some have the same key"):
        own.load(lock_for(), put(timed(key=["a", "a", "c"])))
    assert own.loaded(lock_for()) is None
    with pytest.raises(BadData, match=r"Row 1 has no key, which `target.id_column`"):
        own.load(lock_for(epoch=2), put(timed(key=["a", None])))


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
        target.load(lock_for(), put(timed(n=["10.0.0.1", "nonsense", "10.0.0.2", "more"])))
    assert "\n" not in str(raised.value)
    told = [record.getMessage() for record in caplog.records if "was rejected" in record.getMessage()]
    assert ["nonsense" in told[0], "more" in told[1]] == [True, True]
    assert target.loaded(lock_for()) is None
    assert target.load(lock_for(epoch=2), put(timed(n=["10.0.0.1"]))).rows == target.count(WINDOW) == 1


def test_an_older_epoch_overwrites_no_document(target: ElasticsearchTarget, put: Put) -> None:
    """Overtaken after it looked at the ledger for the last time, it is stopped by the document's version."""
    old = put(truth(rows=5).select([TIME_FIELD, "text"]))
    new = put(truth(rows=8).select([TIME_FIELD, "number"]))
    with go_between(target.url.get_secret_value()) as between:
        late = made(between.url, lambda: target.index, ledger=target.ledger)

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


def test_who_was_overtaken_stops_before_the_next_request(target: ElasticsearchTarget, put: Put) -> None:
    """The ledger is asked before each, and the load is not told of where it was taken."""
    with go_between(target.url.get_secret_value()) as between:
        late = made(between.url, lambda: target.index, ledger=target.ledger)

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
    target: ElasticsearchTarget, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is asked before each: rows that the newer load does not have would stay."""
    monkeypatch.setattr(_documents, "REQUEST", 1)
    with go_between(target.url.get_secret_value()) as between:
        late = made(between.url, lambda: target.index, ledger=target.ledger)

        def overtaken(asked: Asked, answer: Answered) -> Answered:
            if asked.path.endswith("/_bulk") and not target.loaded(lock_for()):
                target.load(lock_for(epoch=2), put(truth(rows=1).select([TIME_FIELD])))
            return answer

        between.after = overtaken
        with pytest.raises(Fenced):
            late.load(lock_for(epoch=1), put(truth(rows=5).select([TIME_FIELD, "text"])))
        assert len([asked for asked in between.asked if asked.path.endswith("/_bulk")]) == 1
    assert target.count(WINDOW) == 1


def test_a_load_is_told_of_by_its_holder_alone(target: ElasticsearchTarget, put: Put) -> None:
    """Taken at the last moment, its row of the ledger is not written."""
    with go_between(target.url.get_secret_value()) as between:
        late = made(between.url, lambda: target.index, ledger=target.ledger)
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


def test_a_busy_server_gets_the_refused_documents_again(target: ElasticsearchTarget, put: Put) -> None:
    """Those alone, after a while."""
    with go_between(target.url.get_secret_value()) as between:
        late = made(between.url, lambda: target.index, ledger=target.ledger)
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


def test_numbers_that_json_lacks_are_refused(target: ElasticsearchTarget, put: Put) -> None:
    """Also inside of lists and structures."""
    for name, value in (("x", float("nan")), ("y", [1.0, float("inf")]), ("z", {"a": float("-inf")})):
        with pytest.raises(BadData, match="infinite or none"):
            target.load(lock_for(), put(timed(**{name: [value]})))


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
        target.load(lock_for(), put(timed(n=[1])))
    with pytest.raises(Misuse, match="is keyword, not a date"):
        target.count(WINDOW)


def test_nobody_there_is_unavailable(put: Put) -> None:
    """Worth another try; no secret in the sentence."""
    nobody = ElasticsearchTarget(SecretStr("http://me:secret@127.0.0.1:9"), "events", TIME_FIELD)
    with pytest.raises(Unavailable, match="does not answer") as raised:
        nobody.load(lock_for(), put(timed(n=[1])))
    assert "secret" not in f"{raised.value}{nobody}"


def test_a_lost_answer_of_the_ledger_is_no_overtaking(target: ElasticsearchTarget, put: Put) -> None:
    """The server heard it; the change is asked for again, refused, and found to be our own."""
    with go_between(target.url.get_secret_value()) as between:
        own = made(between.url, lambda: target.index, ledger=target.ledger)
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

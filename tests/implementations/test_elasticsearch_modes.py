"""Write modes and contracts of a real Elasticsearch: what is refused, what stays, what a mapping takes up."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pyarrow as pa
import pytest

from implementations.elasticsearch.target import ElasticsearchTarget
from implementations.loading.write_modes import Mode, Write
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.testing.target_contract import Put
from pipeline_framework.testing.truth import AFTER, BEFORE, TIME_FIELD, WINDOW, lock_for
from pipeline_framework.windows import Window
from tests.implementations.search_targets import documents, killed, made, rows

pytestmark = pytest.mark.services

HARD = Write("upsert", ["id"], deleted_by="gone")


@pytest.fixture
def target(elasticsearch_server: str, fresh_index: Callable[[], str]) -> ElasticsearchTarget:
    """Of an index that is not there yet."""
    return made(elasticsearch_server, fresh_index)


@pytest.fixture
def hard(target: ElasticsearchTarget) -> ElasticsearchTarget:
    """A target with hard deletes, of an alias that is not there yet."""
    return replace(target, write=HARD)


def ask(target: ElasticsearchTarget, method: str, path: str, body: Any = None) -> Any:
    """A request to the server, by no client of ours."""
    url = f"{target.url.get_secret_value()}/{target.index}{path}"
    return httpx.request(method, url, json=body).raise_for_status().json()


def values(target: ElasticsearchTarget, name: str) -> list[Any]:
    """The values of a field, in order."""
    return sorted(row[name] for row in documents(target))


def test_a_deleted_row_leaves_key_version_and_scope_out_of_sight(hard: ElasticsearchTarget, put: Put) -> None:
    """Nobody who asks the alias finds it: by searches, counts or times; the index behind it has it."""
    own = replace(hard, scope={"side": "mine"})
    own.load(lock_for(), put(rows(id=[1, 2], value=["x", "y"], gone=[False, True])))
    assert values(own, "id") == [1]
    assert ask(own, "GET", "/_count")["count"] == 1
    behind = replace(own, index=f"{own.index}_with_deleted")
    graves = [row for row in documents(behind) if "pipeline_deleted" in row]
    start = WINDOW.start.isoformat().replace("+00:00", "Z")
    assert graves == [{"side": "mine", "id": 2, TIME_FIELD: start, "pipeline_deleted": True}]
    assert "takes documents" in own.check()


def test_an_index_that_would_show_deleted_rows_is_refused(
    hard: ElasticsearchTarget, target: ElasticsearchTarget, put: Put
) -> None:
    """One that is no alias, by check and load; soft deletes need none."""
    ask(target, "PUT", "", {"mappings": {"properties": {TIME_FIELD: {"type": "date_nanos"}}}})
    staged = put(rows(id=[1], gone=[False]))
    for refused in (hard.check, lambda: hard.load(lock_for(), staged)):
        with pytest.raises(Misuse, match=r"would show deleted documents.*or `deletes: soft`"):
            refused()
    assert replace(hard, write=replace(HARD, deletes="soft")).load(lock_for(), staged).rows == 1


@pytest.mark.parametrize("filtered", [{}, {"filter": {"exists": {"field": "id"}}}], ids=["plain", "other"])
def test_an_alias_that_would_show_deleted_rows_is_refused(
    hard: ElasticsearchTarget, put: Put, filtered: Mapping[str, Any]
) -> None:
    """One without the filter, or with another."""
    behind = replace(hard, index=f"{hard.index}_with_deleted")
    ask(behind, "PUT", "", {"aliases": {hard.index: filtered}})
    with pytest.raises(Misuse, match="would show deleted documents"):
        hard.load(lock_for(), put(rows(id=[1], gone=[False])))


@pytest.mark.parametrize(
    ("before", "told"),
    [(Write("upsert_only", ["id", "n"]), r'`write\.key: \["id", "n"\]`'), (Write(), r"no `write\.key`")],
    ids=["another key", "no key"],
)
def test_documents_of_another_key_are_not_met_by_chance(
    target: ElasticsearchTarget, put: Put, before: Write, told: str
) -> None:
    """They have other ids, so rows would double: refused by check and load. The order of a key is nothing."""
    staged, mine = put(rows(BEFORE, id=[1], n=[2])), replace(target, scope={"side": "mine"})
    replace(mine, write=before).load(lock_for(BEFORE), staged)
    other = replace(mine, write=Write("upsert_only", ["id"]))
    for refused in (other.check, lambda: other.load(lock_for(), put(rows(id=[1], n=[2])))):
        with pytest.raises(Misuse, match=f"was loaded with {told}"):
            refused()
    replace(other, scope={"side": "theirs"}).check()
    if before.key:
        turned = replace(mine, write=Write("upsert_only", ["n", "id"]))
        turned.load(lock_for(), put(rows(id=[1], n=[2])))
        assert values(target, "id") == [1]


@pytest.mark.parametrize("mode", ["append", "upsert_only"])
def test_ids_of_a_column_are_for_what_is_replaced(target: ElasticsearchTarget, mode: Mode) -> None:
    """Elsewhere a row would take the place of another one: told when the configuration is read."""
    write = Write(mode, [] if mode == "append" else ["id"])
    with pytest.raises(Misuse, match=r"take `target\.id_column` away"):
        replace(target, write=write, id_column="id")


def test_an_append_that_was_killed_leaves_nothing_to_double(target: ElasticsearchTarget, put: Put) -> None:
    """What it put there is put there anew; what the next staging does not have goes, and no row of others."""
    other = replace(target, write=Write("append"))
    ask(target, "PUT", "", {"mappings": {"properties": {TIME_FIELD: {"type": "date_nanos"}}}})
    foreign = {TIME_FIELD: WINDOW.start.isoformat(), "n": 99}
    ask(target, "POST", "/_doc/somebody-90?refresh=true", foreign)
    other.load(lock_for(AFTER), put(rows(AFTER, n=[50])))
    step, epoch = 0, 1
    many = put(rows(n=list(range(40))))
    while killed(other, lock_for(epoch=epoch, owner="killed"), many, step, request=1000):
        assert other.loaded(lock_for()) is None
        step, epoch = step + 1, epoch + 1
        if len(documents(other)) >= 2 + 20:  # half of it, beside the two that others put there
            break
    assert other.load(lock_for(epoch=epoch), put(rows(n=[3, 4]))).rows == 2
    assert values(other, "n") == [3, 4, 50, 99]


def test_overwriting_takes_every_document_of_the_scope(target: ElasticsearchTarget, put: Put) -> None:
    """Also of other times; those of another scope stay."""
    mine = replace(target, scope={"side": "mine"}, write=Write("overwrite"))
    theirs = replace(target, scope={"side": "theirs"})
    theirs.load(lock_for(mapping_name="other"), put(rows(n=[7])))
    mine.load(lock_for(), put(rows(n=[1, 2])))
    ask(target, "POST", "/_doc?refresh=true", {TIME_FIELD: AFTER.start.isoformat(), "side": "mine", "n": 3})
    assert mine.load(lock_for(epoch=2), put(rows(n=[4]))).rows == 1
    assert values(target, "n") == [4, 7]
    with pytest.raises(Misuse, match="one window"):
        mine.load(lock_for(AFTER, epoch=3), put(rows(AFTER, n=[5])))
    assert mine.load(lock_for(epoch=4), put(rows(n=[6]))).rows == 1
    mine.clear(lock_for(epoch=5))
    assert values(target, "n") == [7]


PLACE = pa.struct([("name", pa.string()), ("at", pa.float64())])
WIDER = pa.struct([("name", pa.string()), ("at", pa.float64()), ("code", pa.string())])


def placed(window: Window, kind: pa.DataType, **more: Any) -> pa.Table:
    """A row with an object, and the same in a list."""
    place = {"name": "x", "at": 1.5, "code": "c"}
    return rows(window, place=pa.array([place], kind), places=pa.array([[place]], pa.list_(kind)), **more)


def test_a_contract_holds_inside_of_objects(target: ElasticsearchTarget, put: Put) -> None:
    """A new member is taken up as a new column is, refused, or left out; the mapping says so too."""
    target.load(lock_for(BEFORE), put(placed(BEFORE, PLACE)))
    wider = put(placed(WINDOW, WIDER))
    with pytest.raises(BadData, match=r"no field place\.code, which is staged"):
        replace(target, contract="freeze").load(lock_for(), wider)
    assert target.loaded(lock_for()) is None
    replace(target, contract="freeze").load(lock_for(AFTER), put(placed(AFTER, PLACE)))
    replace(target, contract="discard").load(lock_for(epoch=2), wider)
    narrow = {"name": "x", "at": 1.5}
    assert [(row["place"], row["places"]) for row in documents(target)] == [(narrow, [narrow])] * 3
    assert "code" not in str(ask(target, "GET", "/_mapping"))
    target.load(lock_for(epoch=3), wider)
    fields = ask(target, "GET", "/_mapping")[target.index]["mappings"]["properties"]
    code = {"type": "keyword", "ignore_above": 8191}
    assert (fields["place"]["properties"]["code"], fields["places"]["properties"]["code"]) == (code, code)
    assert fields["places"]["type"] == "nested"


@pytest.mark.parametrize("contract", ["freeze", "discard"])
def test_a_time_field_that_the_contract_would_not_add_is_named(
    target: ElasticsearchTarget, put: Put, contract: Any
) -> None:
    """Rows without a time would be nobody's."""
    ask(target, "PUT", "", {"mappings": {"properties": {"n": {"type": "long"}}}})
    with pytest.raises(BadData, match=TIME_FIELD):
        replace(target, contract=contract).load(lock_for(), put(rows(n=[1])))


def test_a_key_that_the_contract_leaves_out_is_no_key(target: ElasticsearchTarget, put: Put) -> None:
    """The index could not say whose document it is."""
    ask(target, "PUT", "", {"mappings": {"properties": {TIME_FIELD: {"type": "date_nanos"}}}})
    own = replace(target, contract="discard", write=Write("upsert_only", ["id"]))
    with pytest.raises(BadData, match=r"write\.key"):
        own.load(lock_for(), put(rows(id=[1])))


def test_columns_that_an_index_cannot_have_are_refused(hard: ElasticsearchTarget, put: Put) -> None:
    """A kind without a field, at the top and inside; and the mark of deleted documents."""
    odd = pa.map_(pa.string(), pa.int64())
    for kind, value in ((odd, [("a", 1)]), (pa.struct([("x", odd)]), {"x": [("a", 1)]})):
        with pytest.raises(BadData, match="can have no field"):
            hard.load(lock_for(), put(rows(id=[1], gone=[False], odd=pa.array([value], kind))))
    with pytest.raises(BadData, match="rename it"):
        hard.load(lock_for(), put(rows(id=[1], gone=[False], pipeline_deleted=[True])))


NAN = float("nan")


@pytest.mark.parametrize(
    "odd",
    [
        pa.array([NAN, 1.0]),
        pa.array([1.0, float("-inf")], pa.float32()),
        pa.array([[1.0], [NAN]]),
        pa.array([[1.0], [NAN]], pa.large_list(pa.float64())),
        pa.array([{"a": 1.0}, {"a": float("-inf")}]),
        pa.array([[{"a": 1.0}], [{"a": NAN}]]),
    ],
    ids=["number", "infinite", "list", "large list", "structure", "list of structures"],
)
def test_numbers_that_json_lacks_are_refused_before_a_row_is_sent(
    elasticsearch_server: str, fresh_index: Callable[[], str], put: Put, odd: pa.Array
) -> None:
    """Wherever they are; the window keeps what it has."""
    target = made(elasticsearch_server, fresh_index)
    target.load(lock_for(), put(rows(n=[1])))
    with pytest.raises(BadData, match=r"odd holds numbers that are infinite or none.*nothing was changed"):
        target.load(lock_for(epoch=2), put(rows(n=[2, 3], odd=odd)))
    assert values(target, "n") == [1]

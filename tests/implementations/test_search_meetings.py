"""What a row does to its key's document, which rows are newest, what a mapping lacks: without a server."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implementations._search import documents, meeting
from implementations._search.contracts import lacking, paths, require, without
from implementations._search.documents import Ids
from implementations._search.meeting import Row, Stored, effect
from implementations._search.newest import Order, comparable, require_plain
from implementations.loading.write_modes import Write
from implementations.reading.json_types import AS_JSON
from pipeline_framework.errors import BadData
from pipeline_framework.testing.staged import staged_in

HARD = Write("upsert", ["id"], deleted_by="gone")
SOFT = Write("upsert", ["id"], deleted_by="gone", deletes="soft")
ONLY = Write("upsert_only", ["id"])
ADDING = Write("append_delete", ["id"], deleted_by="gone")

NOTHING, LIVING, GRAVE = None, Stored(5, buried=False), Stored(5, buried=True)


@pytest.mark.parametrize(
    ("write", "stored", "version", "gone", "done"),
    [
        (HARD, NOTHING, 5, False, "inserted"),
        (HARD, NOTHING, 5, True, "buried"),
        (HARD, LIVING, 4, False, None),
        (HARD, LIVING, 5, False, "updated"),
        (HARD, LIVING, 4, True, None),
        (HARD, LIVING, 5, True, "deleted"),
        (HARD, GRAVE, 4, False, None),
        (HARD, GRAVE, 5, False, "inserted"),
        (HARD, GRAVE, 4, True, None),
        (HARD, GRAVE, 6, True, "buried"),
        (SOFT, NOTHING, 5, True, "inserted"),
        (SOFT, LIVING, 4, True, None),
        (SOFT, LIVING, 5, True, "deleted"),
        (ONLY, LIVING, 6, False, "updated"),
        (ADDING, NOTHING, 5, False, "inserted"),
        (ADDING, LIVING, 6, False, None),
        (ADDING, LIVING, 6, True, "deleted"),
        (ADDING, GRAVE, 6, False, "inserted"),
        (ADDING, GRAVE, 4, False, None),
    ],
)
def test_a_row_changes_what_is_not_newer(
    write: Write, stored: Stored | None, version: int, gone: bool, done: str | None
) -> None:
    """By its version, a mark, and whether the document of its key lives."""
    assert effect(write, Row("x", version, gone, b"{}"), stored) == done


def test_documents_are_looked_at_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so many rows at most, or as many bytes as a request is to have."""
    monkeypatch.setattr(meeting, "MOST", 3)
    rows = [Row(str(number), 5, gone=False, document=b"{}") for number in range(7)]
    assert [len(group) for group in meeting._groups(rows)] == [3, 3, 1]
    monkeypatch.setattr(documents, "REQUEST", 4)
    assert [len(group) for group in meeting._groups(rows)] == [2, 2, 2, 1]


def order(*key: str, scope: str = "") -> Order:
    """By the column `at`."""
    return Order(key, "at", scope)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), unique=True, max_size=20), st.integers(1, 7)
)
def test_the_newest_of_each_key_takes_part(rows: list[tuple[int, int]], size: int) -> None:
    """Each row where it was staged, however the batches are cut."""
    table = pa.table({"id": pa.array([key for key, _ in rows], pa.int64()), "at": [at for _, at in rows]})
    batches: list[pa.RecordBatch] = table.cast(pa.schema({"id": pa.int64(), "at": pa.int64()})).to_batches(
        size
    )

    class FakeStaged:
        schema = pa.schema({"id": pa.int64(), "at": pa.int64()})

        def batches(self) -> Sequence[pa.RecordBatch]:
            return batches

    wanted = [at == max(other for key, other in rows if key == mine) for mine, at in rows]
    assert order("id").newest(FakeStaged(), "it").to_pylist() == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "doubtful",
    [
        [{"id": 1, "at": 5}, {"id": 1, "at": 5}],
        [{"id": 1, "at": None}],
        [{"id": None, "at": 5}],
        [{"id": 1, "at": 5}, {"id": 2, "at": 5}, {"id": 1, "at": 5}, {"id": 1, "at": 6}],
    ],
)
def test_what_cannot_be_told_apart_is_refused(tmp_path: Path, doubtful: list[dict[str, Any]]) -> None:
    """Without a key, without a version, or twice the same; also where a third one is newer."""
    schema = pa.schema({"id": pa.int64(), "at": pa.int64()})
    staged = staged_in(tmp_path / "s", pa.Table.from_pylist(doubtful, schema=schema))
    with pytest.raises(BadData, match="version_by"):
        order("id").newest(staged, "index it")


def test_versions_are_compared_as_they_are_sent(tmp_path: Path) -> None:
    """Nanoseconds are cut off, so two rows of one microsecond are not told apart."""
    times = pa.array([1_000_000_001, 1_000_000_002], pa.timestamp("ns", "UTC"))
    staged = staged_in(tmp_path / "s", pa.table({"id": [1, 1], "at": times}))
    with pytest.raises(BadData, match="version_by"):
        order("id").newest(staged, "index it")


def test_key_and_version_may_be_any_plain_columns(tmp_path: Path) -> None:
    """A version that is part of the key, two columns, a dictionary of texts."""
    columns = {"id": pa.array(["a", "a", "b"]).dictionary_encode(), "n": [1, 1, 1], "at": [1, 2, 2]}
    staged = staged_in(tmp_path / "s", pa.table(columns))
    assert order("id", "n").newest(staged, "it").to_pylist() == [False, True, True]
    assert order("id", "at").newest(staged, "it").to_pylist() == [True, True, True]


SAME: list[list[Any]] = [
    [7, Decimal(7), Decimal("7.00")],
    [100, Decimal("1E+2"), Decimal("100.0")],
    [date(2013, 1, 1), datetime(2013, 1, 1), datetime(2013, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))],  # noqa: DTZ001
]
OTHERS: list[Any] = [7, 70, "7", True, "true", b"7", Decimal("7.1"), Decimal("7." + "0" * 30 + "1")]


def test_one_value_names_one_document() -> None:
    """Whatever type it is staged as; and others name others, in this scope and in another."""
    for values in SAME:
        assert len({order("id").named({"id": value}) for value in values}) == 1
    names = {Order(["id"], "at", scope).named({"id": value}) for value in OTHERS for scope in ("", "s")}
    assert len(names) == 2 * len(OTHERS)
    assert order("a", "b").named({"a": "xy", "b": "z"}) != order("a", "b").named({"a": "x", "b": "yz"})


@pytest.mark.parametrize(
    ("kind", "key", "fits"),
    [
        (pa.int64(), "key", True),
        (pa.bool_(), "key", True),
        (pa.dictionary(pa.int8(), pa.string()), "key", True),
        (pa.float64(), "key", False),
        (pa.float64(), "version_by", True),
        (pa.bool_(), "version_by", False),
        (pa.list_(pa.int64()), "key", False),
        (pa.struct([("x", pa.int64())]), "version_by", False),
    ],
)
def test_keys_and_versions_are_plain(kind: pa.DataType, key: str, fits: bool) -> None:
    """A key has to be exact, a version to have an order."""
    column = pa.field("it", kind)
    if fits:
        require_plain(column, "index x", key)
    else:
        with pytest.raises(BadData, match=f"write.{key}` of index x names it"):
            require_plain(column, "index x", key)


def test_json_names_no_row() -> None:
    """Its text says one thing in many ways."""
    with pytest.raises(BadData, match="names it"):
        require_plain(pa.field("it", pa.string(), metadata=AS_JSON), "index x", "key")


def test_a_time_without_a_zone_is_utc() -> None:
    """As an index takes it."""
    naive = datetime(2013, 1, 1, 5)  # noqa: DTZ001
    assert comparable(naive) == comparable(datetime(2013, 1, 1, 5, tzinfo=UTC))
    assert comparable("text") == "text"


@pytest.mark.parametrize(
    ("name", "left_over"), [("w-9", False), ("w-10", True), ("v-10", False), ("w-x", False), ("w", False)]
)
def test_own_documents_beyond_the_rows_are_left_over(name: str, left_over: bool) -> None:
    """Those of other windows, and of anybody else, are not."""
    assert Ids("w").left_over(name, 10) is left_over


PLACE = pa.struct([("name", pa.string()), ("at", pa.struct([("lat", pa.float64()), ("lon", pa.float64())]))])
COLUMNS = [pa.field("n", pa.int64()), pa.field("place", PLACE), pa.field("more", pa.list_(PLACE))]
THERE = {
    "n": {"type": "long"},
    "place": {"properties": {"at": {"properties": {"lat": {"type": "double"}}}}},
    "more": {"type": "nested", "properties": {"name": {"type": "keyword"}, "at": {"enabled": False}}},
}
LON, NAME = {"lon": {"type": "double"}}, {"type": "keyword", "ignore_above": 8191}


def test_a_mapping_lacks_members_of_its_objects_too() -> None:
    """Only these are added to it; what it takes whatever is inside lacks nothing."""
    lacks = lacking(COLUMNS, THERE)
    assert lacks == {"place": {"properties": {"name": NAME, "at": {"properties": LON}}}}
    assert list(paths(lacks, THERE)) == ["place.name", "place.at.lon"]
    bare: dict[str, Any] = {"more": {"type": "nested"}}
    assert lacking(COLUMNS[2:], bare)["more"]["type"] == "nested"
    assert list(paths(lacking(COLUMNS, bare), bare)) == ["n", "place", "more.name", "more.at"]


def test_what_a_mapping_lacks_is_left_out_of_documents() -> None:
    """At the top, in objects and in lists of them; everything else stays."""
    at = {"lat": 1.0, "lon": 2.0}
    place = {"name": "x", "at": at}
    row = {"n": 1, "place": place, "more": [place, None], "new": 7}
    columns = [*COLUMNS, pa.field("new", pa.int64())]
    kept = {"n": 1, "place": {"at": {"lat": 1.0}}, "more": [place, None]}
    assert without(row, lacking(columns, THERE), THERE) == kept
    bare = {"more": {"type": "nested", "properties": {"name": {"type": "keyword"}}}}
    assert without(row, lacking(columns, bare), bare) == {"more": [{"name": "x"}, None]}


def test_a_frozen_index_says_what_it_lacks() -> None:
    """With the whole path; one that is not there is made by no such contract."""
    with pytest.raises(BadData, match=r"no field place\.name, which is staged"):
        require("freeze", "it", lacking(COLUMNS, THERE), THERE)
    for contract in ("freeze", "discard"):
        with pytest.raises(BadData, match="makes none"):
            require(contract, "it", {}, None)
    require("discard", "it", lacking(COLUMNS, THERE), THERE)
    require("freeze", "it", {}, THERE)

"""JSON documents become rows of one schema, or are put aside with the reason."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given

from implementations.reading.documents import Documents
from implementations.reading.json_types import AS_JSON, Unknown
from pipeline_framework.errors import Misuse

PLACE = pa.struct({"name": pa.string(), "at": pa.list_(pa.float64())})
SCHEMA = pa.schema(
    [
        pa.field("@time", pa.timestamp("us", "UTC")),
        pa.field("number", pa.int64()),
        pa.field("share", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("flag", pa.bool_()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("place", PLACE),
        pa.field("stops", pa.list_(PLACE)),
        pa.field("any", pa.string(), metadata=AS_JSON),
    ]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SHARES = st.floats(allow_nan=False, allow_infinity=False)
PLACES = st.fixed_dictionaries(
    {"name": st.none() | TEXT, "at": st.none() | st.lists(st.none() | SHARES, max_size=3)}
)
ROWS = st.fixed_dictionaries(
    {
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "share": st.none() | SHARES,
        "text": st.none() | TEXT,
        "flag": st.none() | st.booleans(),
        "tags": st.none() | st.lists(st.none() | TEXT, max_size=3),
        "place": st.none() | PLACES,
        "stops": st.none() | st.lists(st.none() | PLACES, max_size=2),
    }
)


def fast(documents: Documents, texts: list[bytes]) -> pa.RecordBatch:
    """The whole page in one go."""
    return documents.batch([msgspec.json.decode(text, type=documents.struct) for text in texts])


def careful(
    *texts: str, unknown: Unknown = "freeze", schema: pa.Schema = SCHEMA
) -> tuple[list[Any], list[str]]:
    """Rows, and the reasons of the documents that do not fit."""
    documents = Documents(schema, unknown, "index events")
    batch, rejected = documents.one_by_one([msgspec.Raw(text.encode()) for text in texts])
    return batch.to_pylist(), [each.reason for each in rejected.values()]


@given(st.lists(ROWS, max_size=5))
def test_both_ways_give_every_value_as_it_was(rows: list[dict[str, Any]]) -> None:
    """What fits comes out unchanged, by the fast way and by the careful one."""
    documents = Documents(SCHEMA, "freeze", "index events")
    texts = [json.dumps(row).encode() for row in rows]
    batch = fast(documents, texts)
    assert batch.to_pylist() == [{**row, "@time": None, "any": None} for row in rows]
    slow, rejected = documents.one_by_one(list(map(msgspec.Raw, texts)))
    assert (slow.equals(batch), rejected) == (True, {})


def test_times_are_text_or_milliseconds() -> None:
    """Both may stand in one page; finer digits than microseconds are cut off."""
    documents = Documents(SCHEMA, "freeze", "index events")
    texts = [b'{"@time": "2013-11-03T05:00:00.123456789Z"}', b'{"@time": 1383454800000}', b"{}"]
    moment = datetime(2013, 11, 3, 5, tzinfo=UTC)
    assert fast(documents, texts)["@time"].to_pylist() == [moment.replace(microsecond=123456), moment, None]


def test_any_value_is_kept_as_json() -> None:
    """A field of any shape keeps the text that was written; null is NULL."""
    documents = Documents(SCHEMA, "freeze", "index events")
    texts = [b'{"any": {"a": [1, 1.10]}}', b'{"any": "x"}', b'{"any": null}', b"{}"]
    assert fast(documents, texts)["any"].to_pylist() == ['{"a": [1, 1.10]}', '"x"', None, None]


def test_a_single_value_is_a_list_of_one() -> None:
    """Elasticsearch does not tell a list from a value, and neither do its writers."""
    documents = Documents(SCHEMA, "freeze", "index events")
    batch = fast(documents, [b'{"tags": "a"}', b'{"tags": ["a", null]}', b'{"stops": {"name": "x"}}'])
    assert batch["tags"].to_pylist() == [["a"], ["a", None], None]
    assert batch["stops"].to_pylist() == [None, None, [{"name": "x", "at": None}]]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ('{"number": "7"}', "number", 7),
        ('{"number": 7.0}', "number", 7),
        ('{"share": "1.5"}', "share", 1.5),
        ('{"text": 1.10}', "text", "1.10"),
        ('{"text": true}', "text", "true"),
        ('{"flag": "true"}', "flag", True),
        ('{"place": {"name": 5}}', "place", {"name": "5", "at": None}),
        ('{"tags": [1, "b"]}', "tags", ["1", "b"]),
    ],
)
def test_what_loses_nothing_is_converted(text: str, name: str, value: object) -> None:
    """As Elasticsearch itself takes such values."""
    rows, reasons = careful(text)
    assert (rows[0][name], reasons) == (value, [])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"number": 7.5}', "number does not fit int64"),
        ('{"number": 9223372036854775808}', "number does not fit int64"),
        ('{"number": [1]}', "number does not fit int64"),
        ('{"text": {"a": 1}}', "text does not fit string"),
        ('{"place": []}', "place does not fit struct"),
        ('{"stops": [{"name": []}]}', "name does not fit string"),
        ('{"@time": "yesterday"}', "@time"),
        ('{"colour": 1}', "colour is not in the schema"),
        ('{"place": {"colour": 1}}', "colour is not in the schema"),
        ("[1]", "Expected `object`"),
    ],
)
def test_what_does_not_fit_is_put_aside_with_the_reason(text: str, told: str) -> None:
    """The others go on."""
    rows, reasons = careful('{"number": 1}', text, '{"number": 2}')
    assert [row["number"] for row in rows] == [1, 2]
    assert len(reasons) == 1
    assert told in reasons[0]


def test_unknown_fields_may_be_left_out() -> None:
    """`discard` takes what the schema knows, at every depth."""
    rows, reasons = careful(
        '{"colour": 1, "number": 1, "place": {"name": "x", "colour": 2}}', unknown="discard"
    )
    assert (rows[0]["number"], rows[0]["place"], reasons) == (1, {"name": "x", "at": None}, [])


def test_declared_decimals_are_exact() -> None:
    """Neither way makes a double of them."""
    schema = pa.schema({"amount": pa.decimal128(38, 9)})
    text = '{"amount": 12345678901234567890.123456789}'
    exact = Decimal("12345678901234567890.123456789")
    assert careful(text, schema=schema) == ([{"amount": exact}], [])
    assert fast(Documents(schema, "freeze", "here"), [text.encode()])["amount"].to_pylist() == [exact]


def evolved(*texts: str, schema: pa.Schema = SCHEMA) -> list[Any]:
    """What the column of unknown fields holds, by the fast way where it can go it."""
    documents = Documents(schema, "evolve", "index events")
    try:
        batch = fast(documents, [text.encode() for text in texts])
    except ValueError:
        batch, rejected = documents.one_by_one([msgspec.Raw(text.encode()) for text in texts])
        assert not rejected
    left: list[Any] = batch["extra"].to_pylist()
    return left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"number": 1}', None),
        ('{"number": 1, "new": 1.10}', '{"new":1.10}'),
        ('{"new": 123456789012345678901234567890.0100}', '{"new":123456789012345678901234567890.0100}'),
        ('{"a\\"b": [1,  2], "é": null}', '{"a\\"b":[1,  2],"é":null}'),
        ('{"place": {"name": "x", "zip": 07.0e5}}'.replace("07", "7"), '{"place":{"zip":7.0e5}}'),
        ('{"place": {"name": "x"}}', None),
        ('{"stops": [{"name": "x"}, {"zip": 1}]}', '{"stops":[{"name": "x"}, {"zip": 1}]}'),
        ('{"stops": {"zip": 1}}', '{"stops":{"zip":1}}'),
        ('{"any": {"zip": 1}}', None),
        ('{"extra": 1}', '{"extra":1}'),
    ],
)
def test_unknown_fields_are_kept_as_they_were_written(text: str, left: str | None) -> None:
    """Every digit, wherever in an object they are; what the schema knows is not kept twice."""
    assert evolved(text, '{"number": 2}') == [left, None]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | SHARES | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.tuples(ROWS, st.dictionaries(TEXT.map("x{}".format), ANY, max_size=3)), max_size=5))
def test_nothing_of_a_document_is_lost(rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Columns and the rest together are the document, whatever it holds."""
    documents = Documents(SCHEMA, "evolve", "index events")
    texts = [json.dumps({**row, **more}).encode() for row, more in rows]
    batch, rejected = documents.one_by_one(list(map(msgspec.Raw, texts)))
    assert not rejected
    for (row, more), found in zip(rows, batch.to_pylist(), strict=True):
        assert {name: found[name] for name in row} == row
        assert json.loads(found["extra"] or "{}") == more


def test_a_document_that_does_not_fit_keeps_no_other_from_its_column() -> None:
    """Unknown fields stay with their own document when one between them is put aside."""
    documents = Documents(SCHEMA, "evolve", "index events")
    texts = ['{"number": 1, "a": 1}', '{"number": "x", "b": 2}', '{"number": "3", "c": 3}']
    batch, rejected = documents.one_by_one([msgspec.Raw(text.encode()) for text in texts])
    assert list(rejected) == [1]
    assert batch.select(["number", "extra"]).to_pylist() == [
        {"number": 1, "extra": '{"a":1}'},
        {"number": 3, "extra": '{"c":3}'},
    ]


def test_a_field_of_that_name_needs_another_one() -> None:
    """A column is not taken over in silence."""
    schema = pa.schema([pa.field("extra", pa.int64())])
    with pytest.raises(Misuse, match=r"choose another `source.extra_column`"):
        Documents(schema, "evolve", "index events")
    assert Documents(schema, "evolve", "index events", "rest").schema.names == ["extra", "rest"]

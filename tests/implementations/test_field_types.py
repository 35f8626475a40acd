"""Arrow as a mapping: what a new field is, and which present ones hold a column."""

import pyarrow as pa
import pytest

from implementations._search.field_types import field_of, holds, storable
from implementations.reading.json_types import AS_JSON


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.int64(), "long"),
        (pa.uint64(), "unsigned_long"),
        (pa.float64(), "double"),
        (pa.bool_(), "boolean"),
        (pa.timestamp("us", "UTC"), "date"),
        (pa.string(), "keyword"),
        (pa.binary(), "binary"),
        (pa.list_(pa.int64()), "long"),
        (pa.list_(pa.struct([("x", pa.int64())])), "nested"),
    ],
)
def test_a_new_field_holds_its_column(kind: pa.DataType, name: str) -> None:
    """What is made is also what would be accepted."""
    column = pa.field("it", kind)
    made = field_of(column)
    assert made is not None
    assert made["type"] == name
    assert holds(made, column)


@pytest.mark.parametrize(
    ("field", "kind", "fits"),
    [
        ({"type": "integer"}, pa.int64(), False),
        ({"type": "long"}, pa.uint64(), False),
        ({"type": "float"}, pa.float64(), False),
        ({"type": "double"}, pa.int32(), True),
        ({"type": "double"}, pa.int64(), False),
        ({"type": "date"}, pa.string(), False),
        ({"type": "float"}, pa.int32(), False),
        ({"type": "integer"}, pa.uint32(), False),
        ({"type": "short"}, pa.uint16(), False),
        ({"type": "byte"}, pa.int16(), False),
        ({"type": "byte"}, pa.int8(), True),
        ({"type": "float"}, pa.float32(), True),
        ({"type": "long"}, pa.decimal128(9, 2), False),
        ({"type": "scaled_float"}, pa.decimal128(9, 2), True),
        ({"type": "object", "enabled": False}, pa.string(), True),
        ({"type": "keyword"}, pa.struct([("x", pa.int64())]), False),
        ({"type": "nested", "properties": {}}, pa.list_(pa.struct([("x", pa.int64())])), True),
        ({"type": "long"}, pa.list_(pa.string()), False),
        ({"type": "long"}, pa.large_list(pa.int64()), True),
        ({"type": "long"}, pa.dictionary(pa.int8(), pa.string()), False),
        ({"type": "text"}, pa.string(), True),
        ({"properties": {"x": {"type": "byte"}}}, pa.struct([("x", pa.int64())]), False),
        ({"properties": {}}, pa.struct([("x", pa.int64())]), True),
        ({"type": "keyword"}, pa.null(), True),
    ],
)
def test_a_field_that_would_lose_something_is_none(
    field: dict[str, object], kind: pa.DataType, fits: bool
) -> None:
    """Numbers too large or fine for it, another kind of value, also inside of an object."""
    assert holds(field, pa.field("it", kind)) is fits


TEXTS = {"keyword", "text", "wildcard", "constant_keyword", "match_only_text", "ip", "version"}
WHOLE = ["byte", "short", "integer", "long"]
EXACT: list[tuple[list[pa.DataType], set[str]]] = [
    ([pa.bool_()], {"boolean"}),
    ([pa.int8()], {*WHOLE, "float", "double"}),
    ([pa.int16(), pa.uint8()], {*WHOLE[1:], "float", "double"}),
    ([pa.int32(), pa.uint16()], {*WHOLE[2:], "double"}),
    ([pa.int64(), pa.uint32()], {"long"}),
    ([pa.uint64()], {"unsigned_long"}),
    ([pa.float32()], {"float", "double"}),
    ([pa.float64()], {"double"}),
    ([pa.decimal128(38, 9)], {"double", "scaled_float"}),
    ([pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.date32()], {"date", "date_nanos"}),
    ([pa.binary(), pa.large_binary()], {"binary"}),
    ([pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())], TEXTS),
]
EVERY = set().union(*(names for _, names in EXACT)) | {"half_float", "object", "nested", "geo_point"}


@pytest.mark.parametrize(
    ("kinds", "names"), EXACT, ids=lambda each: str(each) if isinstance(each, list) else ""
)
def test_a_column_goes_into_fields_that_keep_every_value(kinds: list[pa.DataType], names: set[str]) -> None:
    """Those and no others, alone or in any kind of list."""
    for kind in kinds:
        for column in (kind, pa.list_(kind), pa.large_list(kind), pa.list_(kind, 2)):
            fitting = {name for name in EVERY if holds({"type": name}, pa.field("it", column))}
            assert fitting == names
            made = field_of(pa.field("it", column))
            assert made
            assert made["type"] in names
            assert storable(column)


OBJECT = pa.struct([("x", pa.int64()), ("nothing", pa.null())])


@pytest.mark.parametrize(
    ("field", "kind", "fits"),
    [
        ({"type": "keyword"}, OBJECT, False),
        ({"type": "nested", "properties": {"x": {"type": "long"}}}, pa.list_(OBJECT), True),
        ({"type": "nested", "properties": {"x": {"type": "byte"}}}, pa.list_(OBJECT), False),
        ({"enabled": False}, OBJECT, True),
        ({"enabled": False}, pa.int64(), True),
        ({"type": "keyword"}, pa.list_(pa.null()), True),
    ],
)
def test_objects_fit_by_their_members(field: dict[str, object], kind: pa.DataType, fits: bool) -> None:
    """A member that the mapping lacks is no hindrance, one of another type is."""
    assert holds(field, pa.field("it", kind)) is fits


def test_a_new_object_says_what_is_in_it() -> None:
    """But for members of nothing; in lists its members belong together."""
    members = {"properties": {"x": {"type": "long"}}}
    assert field_of(pa.field("it", OBJECT)) == members
    assert field_of(pa.field("it", pa.list_(OBJECT))) == {**members, "type": "nested"}


def test_a_column_of_nothing_makes_no_field() -> None:
    """It has no type yet."""
    assert field_of(pa.field("it", pa.null())) is None


def test_text_of_any_length_has_a_field() -> None:
    """A term holds 32,766 bytes: longer text is kept and not found."""
    assert field_of(pa.field("it", pa.string())) == {"type": "keyword", "ignore_above": 8191}


def test_json_is_kept_and_not_looked_into() -> None:
    """Whatever its shape, and whatever the field that is there."""
    column = pa.field("it", pa.string(), metadata=AS_JSON)
    assert field_of(column) == {"type": "object", "enabled": False}
    assert holds({"type": "long"}, column)


@pytest.mark.parametrize(
    ("kind", "there_is"),
    [
        (pa.list_(pa.duration("s")), False),
        (pa.struct([("x", pa.int64()), ("y", pa.duration("s"))]), False),
        (pa.struct([("x", pa.int64()), ("y", pa.null())]), True),
        (pa.list_(pa.string(), 2), True),
        (pa.dictionary(pa.int8(), pa.string()), True),
    ],
)
def test_what_has_no_field_is_known_beforehand(kind: pa.DataType, there_is: bool) -> None:
    """Also in lists and objects; a column of nothing needs none."""
    assert storable(kind) is there_is

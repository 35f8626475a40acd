"""Arrow as a mapping: what a new field is, and which present ones hold a column."""

import pyarrow as pa
import pytest

from implementations._search.field_types import field_of, holds


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


def test_a_column_of_nothing_makes_no_field() -> None:
    """It has no type yet."""
    assert field_of(pa.field("it", pa.null())) is None

"""Transforms change what they are told to and nothing else; what does not fit is put aside."""

import json
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implementations.transforms.casts import Cast, as_json
from implementations.transforms.columns import Constants, Drop, Keep, Rename
from implementations.transforms.filters import Filter
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import Transform

Letters = list[tuple[dict[str, Any], str]]
BATCH = pa.RecordBatch.from_pydict({"a": [1, 2, 3], "b": ["x", None, "y"], "ratio": [0.5, 1.5, None]})
MOMENT = datetime(2013, 3, 10, 1, 59, 59, 999_999, tzinfo=UTC)


def applied(transform: Transform, batch: pa.RecordBatch = BATCH) -> tuple[pa.RecordBatch, Letters]:
    """A batch behind a transform, and what it put aside."""
    letters: Letters = []
    out = transform.apply(batch, lambda document, reason: letters.append((json.loads(document), reason)))
    assert transform.apply(batch.slice(0, 0), lambda *_: None).schema.equals(out.schema)
    return out, letters


def column(values: list[Any], kind: pa.DataType) -> pa.RecordBatch:
    """A batch of one column `x`."""
    return pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["x"])


def cast(values: list[Any], kind: pa.DataType, to: str) -> tuple[list[Any], list[Any]]:
    """Values behind a cast, and those put aside."""
    out, letters = applied(Cast({"x": to}), column(values, kind))
    return out["x"].to_pylist(), [row["x"] for row, _ in letters]


def test_columns_are_renamed_in_place() -> None:
    """Two may change names with each other."""
    out, _ = applied(Rename({"a": "b", "b": "a"}))
    assert out.to_pydict() == {"b": [1, 2, 3], "a": ["x", None, "y"], "ratio": [0.5, 1.5, None]}


def test_two_columns_of_one_name_are_refused() -> None:
    """It would be unclear which is meant."""
    with pytest.raises(Misuse, match="Two columns would be b"):
        applied(Rename({"a": "b"}))


@pytest.mark.parametrize(
    "transform",
    [
        Rename({"ration": "r"}),
        Drop(["ration"]),
        Keep(["a", "ration"]),
        Cast({"ration": "string"}),
        Filter({"ration": 1}),
    ],
)
def test_a_column_that_is_not_there_is_named_with_the_nearest(transform: Transform) -> None:
    """Already for a batch of no rows, so that no row is read in vain."""
    with pytest.raises(Misuse, match="no column ration at this point; the nearest is ratio"):
        applied(transform, BATCH.slice(0, 0))


def test_columns_are_left_out_or_chosen() -> None:
    """`keep` also orders them."""
    assert applied(Drop(["b"]))[0].schema.names == ["a", "ratio"]
    assert applied(Keep(["ratio", "a"]))[0].schema.names == ["ratio", "a"]


def test_constants_are_typed_by_their_value() -> None:
    """And take no name that is taken."""
    values: Mapping[str, bool | int | float | str] = {"t": "api", "i": 3, "f": 0.5, "y": True}
    out, _ = applied(Constants(values))
    assert {name: out[name].to_pylist() for name in values} == {
        name: [each] * 3 for name, each in values.items()
    }
    assert [out.schema.field(name).type for name in values] == [
        pa.string(),
        pa.int64(),
        pa.float64(),
        pa.bool_(),
    ]
    with pytest.raises(Misuse, match="a column a already"):
        applied(Constants({"a": 1}))


@pytest.mark.parametrize(
    ("values", "kind", "to", "fitting", "aside"),
    [
        (
            ["1", "-0", "x", None, "9223372036854775808"],
            pa.string(),
            "int64",
            [1, 0, None],
            ["x", "9223372036854775808"],
        ),
        ([1, 2**63 - 1, None], pa.int64(), "double", [1.0, None], [2**63 - 1]),
        ([1.0, 1.5, float("inf")], pa.float64(), "int64", [1], [1.5, float("inf")]),
        (
            ["1.50", "1.505", "99999999.99", "100000000"],
            pa.string(),
            "decimal(10,2)",
            [Decimal("1.50"), Decimal("99999999.99")],
            ["1.505", "100000000"],
        ),
        ([12, 10**8], pa.int64(), "decimal(10,2)", [Decimal("12.00")], [10**8]),
        (
            [Decimal("1.23"), Decimal("1.20")],
            pa.decimal128(10, 2),
            "decimal(10,1)",
            [Decimal("1.2")],
            ["1.23"],
        ),
        (["true", "False", "yes?"], pa.string(), "bool", [True, False], ["yes?"]),
        (["2013-03-10", "tomorrow"], pa.string(), "date", [date(2013, 3, 10)], ["tomorrow"]),
        ([MOMENT], pa.timestamp("us", "UTC"), "date", [MOMENT.date()], []),
        (
            [datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC)],
            pa.timestamp("us", "UTC"),
            "date",
            [date(1969, 12, 31)],
            [],
        ),
        ([MOMENT], pa.timestamp("us", "UTC"), "timestamp", [MOMENT.replace(tzinfo=None)], []),
        ([MOMENT.replace(tzinfo=None)], pa.timestamp("us"), "timestamptz", [MOMENT], []),
        (["2013-03-09T20:59:59.9999999-05:00", "noon"], pa.string(), "timestamptz", [MOMENT], ["noon"]),
        (
            ["2013-03-10 01:59:59.9999999", "2013-03-10T01:59:59Z"],
            pa.string(),
            "timestamp",
            [MOMENT.replace(tzinfo=None)],
            ["2013-03-10T01:59:59Z"],
        ),
        ([7, None], pa.int64(), "string", ["7", None], []),
        ([["1", "2"], ["x"]], pa.list_(pa.string()), "list<int64>", [[1, 2]], [["x"]]),
        ([300, 5], pa.int64(), "int8", [5], [300]),
    ],
)
def test_values_that_fit_go_on_and_others_are_put_aside(
    values: list[Any], kind: pa.DataType, to: str, fitting: list[Any], aside: list[Any]
) -> None:
    """Each row goes one way or the other, in order."""
    assert cast(values, kind, to) == (fitting, aside)


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        (pa.int64(), "timestamptz"),
        (pa.timestamp("us"), "int64"),
        (pa.struct({"a": pa.int64()}), "int64"),
        (pa.date32(), "double"),
    ],
)
def test_a_cast_that_means_nothing_is_refused_before_a_row_is_read(kind: pa.DataType, to: str) -> None:
    """A number is no time, for nobody knows what it counts."""
    with pytest.raises(Misuse, match="cannot be cast"):
        applied(Cast({"x": to}), column([], kind))


def test_an_unknown_type_is_refused_at_once() -> None:
    """With the key and the types there are."""
    with pytest.raises(Misuse, match=r"`cast.x`: there is no type integr; use string, int64"):
        Cast({"x": "integr"})


def test_the_letter_is_the_row_as_it_came() -> None:
    """All columns, those of other casts unchanged, with the first column that does not fit."""
    batch = pa.RecordBatch.from_pydict(
        {"a": ["1", "x", "z"], "b": [1.5, 2.0, 2.5], "c": [Decimal("1.10")] * 3}
    )
    out, letters = applied(Cast({"a": "int64", "b": "int64"}), batch)
    assert out.to_pylist() == []
    assert letters == [
        ({"a": "1", "b": 1.5, "c": "1.10"}, "the column b does not fit int64"),
        ({"a": "x", "b": 2.0, "c": "1.10"}, "the column a does not fit int64"),
        ({"a": "z", "b": 2.5, "c": "1.10"}, "the column a does not fit int64"),
    ]


def test_any_row_can_be_a_letter() -> None:
    """Also with times that Python cannot hold, bytes, and half a character."""
    far = pa.array([2**62], pa.int64()).cast(pa.timestamp("us"))
    batch = pa.RecordBatch.from_arrays(
        [far, pa.array([b"\xff"]), pa.array([2**64 - 1], pa.uint64())], ["t", "b", "n"]
    )
    assert json.loads(as_json(batch, 0))["n"] == 2**64 - 1


@given(
    st.lists(
        st.none()
        | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12)
    )
)
def test_a_decimal_is_never_rounded(values: list[Decimal | None]) -> None:
    """A value goes on as it was, digit by digit, or is put aside."""
    kind = pa.decimal128(20, 4)
    fitting, aside = cast(values, kind, "decimal(10,2)")
    fits = [
        value is None or (abs(value) < 10**8 and value == value.quantize(Decimal("0.01"))) for value in values
    ]
    assert fitting == [value for value, fit in zip(values, fits, strict=True) if fit]
    assert [Decimal(each) for each in aside] == [
        value for value, fit in zip(values, fits, strict=True) if not fit
    ]


@given(
    st.lists(st.none() | st.integers(-(2**62), 2**62)),
    st.sampled_from(["s", "ms", "us", "ns"]),
    st.booleans(),
)
def test_times_are_floored_and_never_cross_a_window(values: list[int | None], unit: str, zoned: bool) -> None:
    """Also before 1970, where cutting digits off would round up."""
    factor = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    batch = column(values, pa.int64())
    times = batch.set_column(0, "x", batch["x"].view(pa.timestamp("ns", "UTC" if zoned else None)))
    out, letters = applied(Cast({"x": f"timestamp[{unit}]"}), times)
    assert out["x"].cast(pa.int64()).to_pylist() == [value and value // factor for value in values]
    assert letters == []


@given(st.lists(st.text("0123456789.-eE x", max_size=6)))
def test_every_row_of_a_cast_goes_one_way(values: list[str]) -> None:
    """What Arrow makes of one value alone decides, whatever stands beside it."""
    fitting, aside = cast(values, pa.string(), "double")
    assert aside == [value for value in values if alone(value) is None]
    assert list(map(repr, fitting)) == [repr(alone(value)) for value in values if alone(value) is not None]


def alone(value: str) -> float | None:
    """A text as a double, cast by itself."""
    try:
        return float(pa.array([value]).cast(pa.float64())[0].as_py())
    except pa.ArrowInvalid:
        return None


NUMBERS = pa.RecordBatch.from_pydict({"n": [1, 2, None, 3, -4]})
COMPARED: Mapping[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@given(st.lists(st.none() | st.integers(-3, 3)), st.sampled_from(sorted(COMPARED)), st.integers(-3, 3))
def test_comparisons_are_those_of_sql(values: list[int | None], word: str, bound: int) -> None:
    """A NULL meets none of them."""
    out, _ = applied(Filter({"x": {word: bound}}), column(values, pa.int64()))
    assert out["x"].to_pylist() == [
        value for value in values if value is not None and COMPARED[word](value, bound)
    ]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        (1, [1]),
        (None, [None]),
        ([1, None], [1, None]),
        ([], []),
        ({"!=": None}, [1, 2, 3, -4]),
        ({"not in": [1, 2]}, [3, -4]),
        ({">": -4, "<": 3}, [1, 2]),
    ],
)
def test_conditions_are_values_lists_and_tests(condition: Any, kept: list[int | None]) -> None:
    """Several tests of a column must all be met."""
    assert applied(Filter({"n": condition}), NUMBERS)[0]["n"].to_pylist() == kept


@pytest.mark.parametrize(
    ("values", "kind", "condition", "kept"),
    [
        ([Decimal("1.10"), Decimal("1.11")], pa.decimal128(5, 2), {">": 1.1}, [Decimal("1.11")]),
        ([True, False, None], pa.bool_(), True, [True]),
        (["AA", "aa", "BAA", None], pa.string(), {"matches": "^A"}, ["AA"]),
        (["7", "8"], pa.string(), 7, ["7"]),
        (
            [MOMENT, MOMENT + timedelta(hours=1)],
            pa.timestamp("us", "UTC"),
            {"<": "2013-03-10T02:00:00Z"},
            [MOMENT],
        ),
        ([MOMENT.date()], pa.date32(), "2013-03-10", [MOMENT.date()]),
        ([2**63 - 1, 2**63 - 2], pa.int64(), 2**63 - 1, [2**63 - 1]),
    ],
)
def test_values_are_compared_as_the_column_does(
    values: list[Any], kind: pa.DataType, condition: Any, kept: list[Any]
) -> None:
    """Exactly, in its own type."""
    assert applied(Filter({"x": condition}), column(values, kind))[0]["x"].to_pylist() == kept


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("many", "`filter.n`: many is no int64"),
        ({">": 1.5}, "`filter.n`: 1.5 is no int64"),
        ({"matches": "1"}, "int64 is no text"),
    ],
)
def test_a_condition_that_cannot_be_met_is_refused(condition: Any, words: str) -> None:
    """Before a row is read."""
    with pytest.raises(Misuse, match=words):
        applied(Filter({"n": condition}), NUMBERS.slice(0, 0))


def test_a_test_that_is_not_known_is_refused_at_once() -> None:
    """With those there are."""
    with pytest.raises(Misuse, match=r"`filter.n`: there is no test '=>'; known: =, !="):
        Filter({"n": {"=>": 1}})


def test_a_wrong_expression_is_refused() -> None:
    """With what is wrong about it."""
    with pytest.raises(Misuse, match="correct the expression"):
        applied(Filter({"b": {"matches": "("}}))

"""Text brought to types one value after the other; the row of one that does not fit is handed over."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from implementations.reading.text_values import typed

SCHEMA = pa.schema({"at": pa.timestamp("us", "UTC"), "number": pa.int64(), "text": pa.string()})
AT = "2013-11-03T05:00:00Z"


def brought(
    *rows: tuple[str | None, str | None, str | None], passed: int = 0, size: int = 100
) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """What goes on, and what is handed over: time, row, reason and place."""
    aside: list[tuple[Any, ...]] = []
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    texts = pa.table(columns, names=SCHEMA.names).to_batches(max_chunksize=size)

    def put(time: pa.Array, row: bytes, reason: str, place: str) -> None:
        aside.append((time.to_pylist(), row.decode(), reason, place))

    batches = list(typed(texts, SCHEMA, "at", put, place="a.csv", passed=passed))
    assert all(batch.schema == SCHEMA for batch in batches)
    return pa.Table.from_batches(batches, SCHEMA).to_pylist(), aside


def test_values_that_fit_are_of_their_type() -> None:
    """Blanks around a number or time are none of it; those of a text are."""
    rows, aside = brought((f" {AT}", " 7 ", " x "), (None, None, None))
    assert aside == []
    assert rows == [
        {"at": datetime(2013, 11, 3, 5, tzinfo=UTC), "number": 7, "text": " x "},
        {"at": None, "number": None, "text": None},
    ]


def test_a_row_that_does_not_fit_is_handed_over_as_it_was() -> None:
    """As a line of CSV, with its own time, the first column at fault, and its number in the file."""
    rows, aside = brought((AT, "1", "a"), (AT, "one", 'it, "b"'), ("noon", "two", "c"), passed=10)
    assert [row["text"] for row in rows] == ["a"]
    assert aside == [
        ([AT], f'{AT},one,"it, ""b"""', "number does not fit int64", "a.csv, row 12"),
        (["noon"], "noon,two,c", "at does not fit timestamp[us, tz=UTC]", "a.csv, row 13"),
    ]


def test_rows_are_counted_over_batches() -> None:
    """A row's number is that in the file, not in its batch."""
    _, aside = brought(*[(AT, number, "x") for number in ("1", "2", "3", "four", "5", "six")], size=2)
    assert [place for *_, place in aside] == ["a.csv, row 4", "a.csv, row 6"]


@given(st.lists(st.sampled_from(["1", "-2", "x", "", None, "9223372036854775808"]), min_size=1))
def test_each_row_goes_on_or_is_handed_over(numbers: list[str | None]) -> None:
    """None is lost, none is doubled, and the order stays."""
    rows, aside = brought(*[(AT, number, str(place)) for place, number in enumerate(numbers)])
    fits = [place for place, number in enumerate(numbers) if number in {"1", "-2", None}]
    assert [int(row["text"]) for row in rows] == fits
    assert [int(place.rpartition(" ")[2]) - 1 for *_, place in aside] == [
        place for place in range(len(numbers)) if place not in fits
    ]

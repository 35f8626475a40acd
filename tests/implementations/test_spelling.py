"""Staged rows as the text that MySQL reads."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implementations.mysql import spelling
from pipeline_framework.errors import BadData


def batch(column: pa.Array) -> pa.RecordBatch:
    return pa.record_batch([column], ["it"])


@given(st.text())
def test_no_text_is_mistaken_for_the_file_s_own_marks(text: str) -> None:
    """Tabs, ends of lines and backslashes are escaped, and come back as they were."""
    (line,) = bytes(spelling.lines(batch(pa.array([text], pa.string())))).decode().split("\n")[:-1]
    back = line.replace("\\\\", "\0\0").replace("\\t", "\t").replace("\\n", "\n").replace("\0\0", "\\")
    if "\0" not in text:
        assert back == text


def test_null_is_no_text() -> None:
    """Neither an empty text nor the letter N."""
    column = pa.array([None, "", "N", "\\N"])
    assert bytes(spelling.lines(batch(column))) == b"\\N\n\nN\n\\\\N\n"
    assert spelling.literals(batch(column)) == ["(NULL)", "('')", "('N')", "('\\N')"]


def test_quotes_are_doubled_and_bytes_are_digits() -> None:
    """A literal ends where its value ends."""
    assert spelling.literals(batch(pa.array(["it's"]))) == ["('it''s')"]
    assert spelling.literals(batch(pa.array([b"\xff'"]))) == ["(x'ff27')"]


def test_nanoseconds_are_floored() -> None:
    """Rounded, the last instant would move into the next window; so would one cut off before 1970."""
    last = pa.array([1_999_999_999, -1], pa.int64()).view(pa.timestamp("ns", "UTC"))
    assert bytes(spelling.lines(batch(last))) == b"1970-01-01 00:00:01.999999\n1969-12-31 23:59:59.999999\n"


def test_booleans_are_numbers() -> None:
    """MySQL's true is 1."""
    column = pa.array([True, False, None])
    assert bytes(spelling.lines(batch(column))) == b"1\n0\n\\N\n"


def test_nested_values_are_escaped_like_text() -> None:
    """What JSON writes of a tab holds a backslash, which is the file's own mark."""
    column = pa.array([["a\tb", None]])
    assert bytes(spelling.lines(batch(column))) == b'["a\\\\tb", null]\n'
    assert spelling.literals(batch(pa.array([["it's"]]))) == ["""('["it''s"]')"""]


def test_a_dictionary_is_spelled_as_its_values() -> None:
    """As text that is escaped, and as digits where it holds bytes."""
    assert bytes(spelling.lines(batch(pa.array(["a\tb"]).dictionary_encode()))) == b"a\\tb\n"
    assert spelling.literals(batch(pa.array([b"\xff"]).dictionary_encode())) == ["(x'ff')"]


def test_pieces_are_all_rows_in_their_order() -> None:
    """A few rows at a time where they are large, at least one where each is larger than a piece."""
    large = batch(pa.array([str(number) * 400_000 for number in range(6)]))
    found = list(spelling.pieces(large))
    assert [piece.num_rows for piece in found] == [2, 2, 2]
    assert pa.Table.from_batches(found)["it"].to_pylist() == large["it"].to_pylist()
    huge = batch(pa.array(["x" * 2 * spelling.LENGTH, "y"]))
    assert [piece.num_rows for piece in spelling.pieces(huge)] == [1, 1]
    assert list(spelling.pieces(large.slice(0, 0))) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.bool_(), "tinyint(1)"),
        (pa.uint64(), "bigint unsigned"),
        (pa.time64("us"), "time(6)"),
        (pa.timestamp("ns", "UTC"), "datetime(6)"),
        (pa.decimal256(65, 30), "decimal(65,30)"),
        (pa.list_(pa.int64()), "json"),
        (pa.large_binary(), "longblob"),
        (pa.dictionary(pa.int8(), pa.string()), spelling.TEXT),
    ],
)
def test_a_column_holds_every_value_of_its_kind(kind: pa.DataType, name: str) -> None:
    """What is made for a staged column."""
    assert spelling.column_type(pa.field("it", kind)) == name


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_mysql_does_not_hold_is_refused(value: float) -> None:
    """NaN and infinity, by the column's name."""
    with pytest.raises(BadData, match="Column it has NaN or infinity"):
        spelling.lines(batch(pa.array([value])))


def test_too_many_digits_are_refused() -> None:
    """With what MySQL holds."""
    for kind in (pa.decimal256(66, 2), pa.decimal256(40, 31)):
        with pytest.raises(BadData, match="holds 65 and 30"):
            spelling.column_type(pa.field("it", kind))

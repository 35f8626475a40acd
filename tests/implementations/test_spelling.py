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
    """Rounded, the last instant would move into the next window."""
    last = pa.array([1_999_999_999], pa.int64()).view(pa.timestamp("ns", "UTC"))
    assert bytes(spelling.lines(batch(last))) == b"1970-01-01 00:00:01.999999\n"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_mysql_does_not_hold_is_refused(value: float) -> None:
    """NaN and infinity, by the column's name."""
    with pytest.raises(BadData, match="Column it has NaN or infinity"):
        spelling.lines(batch(pa.array([value])))


def test_too_many_digits_are_refused() -> None:
    """With what MySQL holds."""
    with pytest.raises(BadData, match="holds 65 and 30"):
        spelling.column_type(pa.field("it", pa.decimal256(70, 2)))

"""The time of a row: whatever a file holds, as a UTC instant floored to microseconds.

Floored, never rounded, so that no row changes its window on the way: 01:59:59.9999996 stays before
02:00 in every target.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_framework.errors import BadData
from pipeline_framework.windows import Window

INSTANT = pa.timestamp("us", "UTC")
Unit = Literal["s", "ms", "us", "ns", "iso"]
# Longer fractions than microseconds are cut off in the text itself, which is exact at any distance from 1970.
_FINER = r"(\.\d{6})\d+"
_ZONED = r":\d{2}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True, slots=True)
class TimeField:
    """The column that decides a row's window.

    `zone`: IANA zone of times that carry none. `unit`: what numbers count from 1970-01-01 UTC, or
    `iso` for text in ISO 8601. `ambiguous`: which of the two instants a local time of a repeated
    hour means; `raise` refuses such rows, and those of a skipped hour.
    """

    name: str
    zone: str = "UTC"
    unit: Unit | None = None
    ambiguous: Literal["raise", "earliest", "latest"] = "raise"

    def utc(self, column: pa.Array, file: str) -> pa.Array:
        """The column as instants; raises `BadData` naming the file for what is no time."""
        with self._plainly(file):
            return self._instants(column, file)

    def require(self, kind: pa.DataType, file: str) -> None:
        """Raise `BadData` unless a column of that type holds times as declared."""
        self.utc(pa.nulls(0, kind), file)

    def _instants(self, column: pa.Array, file: str) -> pa.Array:
        kind, types = column.type, pa.types
        if types.is_timestamp(kind):
            return self._zoned(_floored(column))
        if types.is_date(kind):
            return self._zoned(column.cast(pa.timestamp("us")))
        if types.is_null(kind):
            return pa.nulls(len(column), INSTANT)
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return self._texts(column.cast(pa.string()), file)
        if (types.is_integer(kind) or types.is_floating(kind)) and self.unit not in (None, "iso"):
            return _numbers(column, self.unit)
        raise BadData(self._wrong_type(kind, file))

    def _texts(self, column: pa.Array, file: str) -> pa.Array:
        if self.unit is None:
            raise BadData(self._wrong_type(column.type, file))
        if self.unit != "iso":
            whole = pc.all(pc.match_substring_regex(column, r"^-?\d+$")).as_py() is not False
            return _numbers(column.cast(pa.int64() if whole else pa.float64()), self.unit)
        text = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), _FINER, r"\1")
        zoned, nothing = pc.match_substring_regex(text, _ZONED), pa.scalar(None, pa.string())
        local = pc.if_else(zoned, nothing, text).cast(pa.timestamp("us"))
        return pc.coalesce(pc.if_else(zoned, text, nothing).cast(INSTANT), self._zoned(local))

    def _zoned(self, column: pa.Array) -> pa.Array:
        if column.type.tz is not None:
            return column.cast(INSTANT)
        nonexistent = "raise" if self.ambiguous == "raise" else "latest"
        return pc.assume_timezone(column, self.zone, ambiguous=self.ambiguous, nonexistent=nonexistent).cast(INSTANT)

    def _wrong_type(self, kind: pa.DataType, file: str) -> str:
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        remedy = "`time_unit: s` (or ms, us, ns) if it counts from 1970" if numeric else "`time_unit: iso` if it is ISO 8601 text"
        return f"The time field {self.name} of {file} is {kind}, not a timestamp: declare {remedy}, or name another `time_field`."

    @contextmanager
    def _plainly(self, file: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as refused:
            remedy = "correct the file, or say `time_zone` and `time_unit` of the source as the file has them"
            raise BadData(f"The time field {self.name} of {file} holds what is no time: {_first(refused)}; {remedy}.") from refused


def inside(times: pa.Array, window: Window) -> pa.Array:
    """Which instants lie in start <= time < end; NULL for none."""
    start, end = pa.scalar(window.start, INSTANT), pa.scalar(window.end, INSTANT)
    return pc.and_(pc.greater_equal(times, start), pc.less(times, end))


def _floored(column: pa.Array) -> pa.Array:
    if column.type.unit == "ns":
        column = pc.floor_temporal(column, unit="microsecond")
    return column.cast(pa.timestamp("us", column.type.tz))


def _numbers(column: pa.Array, unit: str | None) -> pa.Array:
    if pa.types.is_integer(column.type):
        return _floored(column.cast(pa.int64()).cast(pa.timestamp(str(unit)))).cast(INSTANT)
    whole = pc.floor(column.cast(pa.float64()))
    finer = 10**6 // _PER_SECOND[str(unit)]
    if not finer:
        return _numbers(whole.cast(pa.int64()), unit)
    # Whole and broken part apart, so that neither loses digits of the double.
    broken = pc.floor(pc.multiply(pc.subtract(column, whole), finer)).cast(pa.int64())
    return pc.add(pc.multiply_checked(whole.cast(pa.int64()), finer), broken).cast(INSTANT)


def _first(refused: Exception) -> str:
    return str(refused).partition("\n")[0]

"""The time of a row: whatever a file holds, as a UTC instant floored to microseconds.

Floored, never rounded, so that no row changes its window on the way: 01:59:59.9999996 stays before
02:00 in every target.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_framework.errors import BadData
from pipeline_framework.windows import Window

INSTANT = pa.timestamp("us", "UTC")
Unit = Literal["s", "ms", "us", "ns", "iso"]
Repeated = Literal["fail", "earliest", "latest"]
# Finer fractions than microseconds are cut off in the text itself, which is exact in every century.
_FINER = r"(\.\d{6})\d+"
_ZONED = r"[T :]\d{2}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True, slots=True)
class TimeField:
    """The column that decides a row's window.

    `zone`: IANA zone of times that carry none. `unit`: what numbers count from 1970-01-01 UTC, or
    `iso` for text in ISO 8601. `ambiguous`: which of two instants a local time of a repeated hour
    means; `fail` refuses such rows, and those of a skipped hour.
    """

    name: str
    zone: str = "UTC"
    unit: Unit | None = None
    ambiguous: Repeated = "fail"

    def utc(self, column: pa.Array, file: str) -> pa.Array:
        """The column as instants; raises `BadData` naming the file for what is no time."""
        with self._plainly(file):
            return self._instants(column, file)

    def _instants(self, column: pa.Array, file: str) -> pa.Array:
        kind = column.type
        if pa.types.is_timestamp(kind):
            return self._zoned(floored(column))
        if pa.types.is_date(kind):
            return self._zoned(column.cast(pa.timestamp("us")))
        if pa.types.is_null(kind):
            return pa.nulls(len(column), INSTANT)
        if self.unit == "iso" and is_text(kind):
            return self._parsed(column.cast(pa.string()))
        if self.unit not in {None, "iso"} and (is_text(kind) or is_number(kind)):
            return _counted(column if is_number(kind) else _numbers(column), str(self.unit))
        raise BadData(self._wrong_type(kind, file))

    def _parsed(self, column: pa.Array) -> pa.Array:
        # Most texts have a zone and no finer digits, and none needs more than this: five times as fast.
        with suppress(pa.ArrowInvalid):
            return column.cast(INSTANT)
        text = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), _FINER, r"\1")
        zoned, nothing = pc.match_substring_regex(text, _ZONED), pa.scalar(None, pa.string())
        local = self._zoned(pc.if_else(zoned, nothing, text).cast(pa.timestamp("us")))
        return pc.coalesce(pc.if_else(zoned, text, nothing).cast(INSTANT), local)

    def _zoned(self, column: pa.Array) -> pa.Array:
        if column.type.tz is not None or self.zone == "UTC":
            return column.cast(INSTANT)
        repeated, skipped = ("raise", "raise") if self.ambiguous == "fail" else (self.ambiguous, "latest")
        return pc.assume_timezone(column, self.zone, ambiguous=repeated, nonexistent=skipped).cast(INSTANT)

    def _wrong_type(self, kind: pa.DataType, file: str) -> str:
        remedy = "name another `source.time_field`"
        if is_number(kind):
            remedy = f"declare `source.time_unit` (s, ms, us or ns) if it counts from 1970, or {remedy}"
        elif is_text(kind):
            remedy = f"declare `source.time_unit: iso` if it is ISO 8601 text, or {remedy}"
        return f"The time field {self.name} of {file} is {kind}, not a timestamp: {remedy}."

    @contextmanager
    def _plainly(self, file: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as refused:
            why = str(refused).partition("\n")[0].removesuffix("It could be").rstrip(" .")
            raise BadData(
                f"The time field {self.name} of {file} holds what is no time: {why}. Correct the file, or "
                "`source.time_zone`, `source.time_unit` or `source.ambiguous_time`."
            ) from refused


def inside(times: pa.Array, window: Window) -> pa.Array:
    """Which instants lie in start <= time < end; NULL for none."""
    start, end = pa.scalar(window.start, INSTANT), pa.scalar(window.end, INSTANT)
    return pc.and_(pc.greater_equal(times, start), pc.less(times, end))


def microseconds(instant: datetime) -> int:
    """Since 1970, UTC; a number because times in files may lie outside of Python's years."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def floored(column: pa.Array) -> pa.Array:
    """Timestamps of any unit in microseconds."""
    kind = column.type
    if kind.unit == "ns":
        # As plain numbers: Arrow floors times of a zone by its clock, which fails in a repeated hour.
        column = pc.floor_temporal(column.view(pa.timestamp("ns")), unit="microsecond")
        column = column.cast(pa.timestamp("us")).view(pa.timestamp("us", kind.tz))
    return column.cast(pa.timestamp("us", kind.tz))


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text in any of its layouts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a type holds integers or floating point numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _numbers(column: pa.Array) -> pa.Array:
    whole = pc.all(pc.match_substring_regex(column, r"^-?\d+$")).as_py() is not False
    return column.cast(pa.int64() if whole else pa.float64())


def _counted(column: pa.Array, unit: str) -> pa.Array:
    if pa.types.is_integer(column.type):
        return floored(column.cast(pa.int64()).cast(pa.timestamp(unit))).cast(INSTANT)
    column = column.cast(pa.float64())
    whole, finer = pc.floor(column), 10**6 // _PER_SECOND[unit]
    if not finer:
        return _counted(whole.cast(pa.int64()), unit)
    # Whole and broken part apart, so that neither loses digits of the double.
    broken = pc.min_element_wise(pc.floor(pc.multiply(pc.subtract(column, whole), finer)), finer - 1)
    return pc.add(pc.multiply_checked(whole.cast(pa.int64()), finer), broken.cast(pa.int64())).cast(INSTANT)

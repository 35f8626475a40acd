"""Types: what Snowflake makes of Arrow's, and which of its own hold which others unchanged."""

import re

import pyarrow as pa

from implementations.loading.widening import fits, number
from pipeline_framework.errors import BadData

_INSTANT = re.compile(r"TIMESTAMP_(NTZ|LTZ|TZ)\((\d)\)")
_DIGITS, _UNSIGNED = {8: 3, 16: 5, 32: 10, 64: 19}, {pa.uint64(): 20}
_OTHERS = (
    (pa.types.is_nested, "VARIANT"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME(9)"),
    (pa.types.is_binary, "BINARY"),
    (pa.types.is_large_binary, "BINARY"),
    (pa.types.is_fixed_size_binary, "BINARY"),
)


def kind_of(column: pa.Field) -> str | None:
    """The type of a column; None for one of nothing but NULL. Raises `BadData` for too many digits."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return None
    if pa.types.is_decimal(kind):
        return _decimal(column.name, kind)
    if pa.types.is_timestamp(kind):
        return f"TIMESTAMP_{'LTZ' if kind.tz else 'NTZ'}({9 if kind.unit == 'ns' else 6})"
    if pa.types.is_integer(kind):
        return f"NUMBER({_UNSIGNED.get(kind, _DIGITS[kind.bit_width])},0)"
    return next((name for is_such, name in _OTHERS if is_such(kind)), "VARCHAR")


def _decimal(name: str, kind: pa.DataType) -> str:
    if kind.precision > 38 or not 0 <= kind.scale <= 37:
        raise BadData(
            f"Column {name} is {kind}, Snowflake holds 38 digits, 37 of them behind the point: cast it at "
            "the source to a smaller decimal or to text."
        )
    return f"NUMBER({kind.precision},{kind.scale})"


def is_instant(kind: str) -> bool:
    """Whether the type holds instants to the microsecond; one without a zone is taken as UTC."""
    found = _INSTANT.fullmatch(kind)
    return found is not None and int(found[2]) >= 6


def widens(staged: str, column: str) -> bool:
    """Whether every value of one type is a value of the other; longer texts are refused aloud."""
    if staged in {column, _without_length(column)}:
        return True
    one, other = _INSTANT.fullmatch(staged), _INSTANT.fullmatch(column)
    if one and other:
        return int(one[2]) <= int(other[2])
    fewer, more = number(_plain(staged)), number(_plain(column))
    return fewer is not None and more is not None and fits(fewer, more)


def assigned(column: str) -> str:
    """The type that a value is cast to: a cast to a length cuts what is longer, an assignment refuses it."""
    return _without_length(column)


def _without_length(kind: str) -> str:
    return re.sub(r"^(VARCHAR|BINARY)\(\d+\)$", r"\1", kind)


def _plain(kind: str) -> str:
    return "DOUBLE" if kind == "FLOAT" else kind.replace("NUMBER(", "DECIMAL(")

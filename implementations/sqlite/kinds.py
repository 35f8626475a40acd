"""Column types and values, both ways: what SQLite cannot hold is text, and the column's type says of what.

A type's affinity is read as https://sqlite.org/datatype3.html#determination_of_column_affinity has it.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from implementations.loading.plain_rows import as_json, nested, plain
from pipeline_framework.errors import BadData

INSTANT = "TEXT TIMESTAMP"  # YYYY-MM-DDTHH:MM:SS.ffffffZ, whose order is that of time
SHAPE = re.sub("0", "[0-9]", "0000-00-00T00:00:00.000000Z")  # as GLOB asks for it
UNORDERED = ("TEXT DECIMAL", "TEXT JSON")
_EXACT = {
    INSTANT: pa.timestamp("us", "UTC"),
    "TEXT LOCAL TIMESTAMP": pa.timestamp("us"),
    "TEXT DATE": pa.date32(),
    "BOOLEAN": pa.bool_(),
}
_AFFINITIES = (
    ("INT", "INTEGER"),
    ("CHAR|CLOB|TEXT", "TEXT"),
    ("BLOB|^$", "BLOB"),
    ("REAL|FLOA|DOUB", "REAL"),
)
_ARROW = {"INTEGER": pa.int64(), "REAL": pa.float64(), "BLOB": pa.binary()}


def declared(staged: pa.DataType) -> str:
    """The type of a column that is made for staged values."""
    kind, types = plain(staged), pa.types
    if nested(staged) or types.is_list(kind):
        return "TEXT JSON"
    if types.is_decimal(kind):
        return f"TEXT DECIMAL({kind.precision},{kind.scale})"
    if types.is_integer(kind):
        return "INTEGER"
    if types.is_floating(kind):
        return "REAL"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return "BLOB"
    return next((name for name, exact in _EXACT.items() if exact == kind), "TEXT")


def affinity(column: str) -> str:
    """What SQLite does with values of a column of that declared type."""
    return next((name for words, name in _AFFINITIES if re.search(words, column.upper())), "NUMERIC")


def fits(staged: str, column: str) -> bool:
    """Whether every value of the staged type is held unchanged by a column of the other."""
    plainly = affinity(column) != "NUMERIC" and not column.upper().startswith("TEXT ")
    return staged == column.upper() or (plainly and affinity(staged) == affinity(column))


def arrow(column: str) -> pa.DataType:
    """What is read from a column of that declared type; text where the type promises nothing."""
    if found := re.fullmatch(r"TEXT DECIMAL\((\d+),(\d+)\)", column.upper()):
        digits, scale = int(found[1]), int(found[2])
        return pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)
    promised = _ARROW.get(affinity(column), pa.string()) if column else pa.string()
    return _EXACT.get(column.upper(), promised)


def text(instant: datetime) -> str:
    """A moment as a column of instants holds it."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def bound(column: pa.Array, name: str) -> list[object]:
    """The values of a plain column as they are put in; raises `BadData` for NaN, which would become NULL."""
    kind, types = column.type, pa.types
    if types.is_floating(kind) and pc.any(pc.is_nan(column)).as_py():
        raise BadData(f"Column {name} holds NaN, which SQLite makes NULL: replace or drop it at the source.")
    if types.is_timestamp(kind):
        return [value and value.replace(" ", "T") for value in column.cast(pa.string()).to_pylist()]
    values: list[object] = column.to_pylist()
    if types.is_nested(kind):
        return list(map(as_json, values))
    if types.is_decimal(kind):
        return [None if value is None else format(value, "f") for value in values]
    if types.is_temporal(kind):
        return [None if value is None else str(value) for value in values]
    return values


def array(values: Iterable[object], kind: pa.DataType) -> pa.Array:
    """A column that was read; raises `pyarrow.ArrowException` for a value that is not of that type."""
    if pa.types.is_string(kind):
        return pa.array([str(value) if isinstance(value, int | float) else value for value in values], kind)
    if kind in _ARROW.values():
        return pa.array(values, kind)
    return pa.array(values, pa.int64() if pa.types.is_boolean(kind) else pa.string()).cast(kind)

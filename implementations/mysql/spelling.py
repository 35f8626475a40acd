"""Staged rows as the text that MySQL reads: lines of a file for LOAD DATA, or literals for INSERT."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from implementations.loading.plain_rows import as_json
from implementations.reading.times import floored, is_text
from pipeline_framework.errors import BadData

LENGTH = 2**20  # bytes of Arrow that are spelled at once

# By https://mariadb.com/docs/server/reference/data-types; other collations would compare text loosely.
TEXT = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_TYPES = {
    pa.bool_(): "tinyint(1)",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.uint8(): "tinyint unsigned",
    pa.uint16(): "smallint unsigned",
    pa.uint32(): "int unsigned",
    pa.uint64(): "bigint unsigned",
    pa.float16(): "float",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.date64(): "date",
}


def column_type(field: pa.Field) -> str:
    """The column that holds every value of a staged one; `BadData` where MySQL has none."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_decimal(kind):
        return _decimal(field.name, kind.precision, kind.scale)
    for is_kind, name in (
        (pa.types.is_nested, "json"),
        (pa.types.is_timestamp, "datetime(6)"),
        (pa.types.is_time, "time(6)"),
        (_is_binary, "longblob"),
        (is_text, TEXT),
    ):
        if is_kind(kind):
            return name
    if kind not in _TYPES:
        raise BadData(f"Column {field.name} is {kind}, which MySQL does not hold: cast it at the source.")
    return _TYPES[kind]


def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in slices of about `LENGTH` bytes."""
    rows = max(1, batch.num_rows * LENGTH // max(batch.nbytes, 1))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def lines(batch: pa.RecordBatch) -> memoryview:
    """The lines of a file: columns apart by tabs, NULL as a marked N, bytes as hexadecimal digits."""
    *columns, last = (_written(_spelled(column, field), field) for column, field in _columns(batch))
    ended = pc.binary_join_element_wise(pc.fill_null(last, "\\N"), "\n", "")
    return _data(pc.binary_join_element_wise(*columns, ended, "\t", **_nulls("\\N")))


def literals(batch: pa.RecordBatch) -> list[str]:
    """The lists of values that stand behind VALUES, a row each, for a session in which nothing escapes."""
    columns = (_quoted(_spelled(column, field), field) for column, field in _columns(batch))
    joined = pc.binary_join_element_wise(*columns, ",", **_nulls("NULL"))
    listed: list[str] = pc.binary_join_element_wise("(", joined, ")", "").to_pylist()
    return listed


def is_binary(field: pa.Field) -> bool:
    """Whether a column is spelled in hexadecimal digits."""
    return _is_binary(field.type)


def _columns(batch: pa.RecordBatch) -> Iterator[tuple[pa.Array, pa.Field]]:
    for column, field in zip(batch.columns, batch.schema, strict=True):
        if pa.types.is_dictionary(field.type):
            yield column.cast(field.type.value_type), field.with_type(field.type.value_type)
        else:
            yield column, field


def _spelled(column: pa.Array, field: pa.Field) -> pa.Array:
    kind = field.type
    if pa.types.is_nested(kind):
        return pa.array(map(as_json, column.to_pylist(maps_as_pydicts="strict")), pa.string())
    if _is_binary(kind):
        return pa.array((None if value is None else value.hex() for value in column.to_pylist()), pa.string())
    if pa.types.is_timestamp(kind):
        return floored(column).view(pa.timestamp("us")).cast(pa.string())
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8()).cast(pa.string())
    if pa.types.is_floating(kind):
        return _finite(column.cast(pa.float32()) if kind == pa.float16() else column, field.name)
    return column.cast(pa.string())


def _finite(column: pa.Array, name: str) -> pa.Array:
    if pc.all(pc.is_finite(column)).as_py() is False:
        raise BadData(f"Column {name} has NaN or infinity, which MySQL does not hold: make them NULL.")
    return column.cast(pa.string())


def _written(text: pa.Array, field: pa.Field) -> pa.Array:
    """Text behind which no tab or end of line is mistaken for one of the file."""
    if not _is_free(field.type) or not pc.any(pc.match_substring_regex(text, r"[\\\t\n]")).as_py():
        return text
    for letter, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n")):
        text = pc.replace_substring(text, letter, escaped)
    return text


def _quoted(text: pa.Array, field: pa.Field) -> pa.Array:
    mark = "x'" if _is_binary(field.type) else "'"
    text = pc.replace_substring(text, "'", "''") if _is_free(field.type) else text
    return pc.binary_join_element_wise(mark, text, "'", "")


def _nulls(written: str) -> dict[str, Any]:
    return {"null_handling": "replace", "null_replacement": written}


def _data(text: pa.Array) -> memoryview:
    """The bytes of an array of text without NULL, one value behind the other."""
    _, offsets, data = text.buffers()
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[text.offset] : ends[text.offset + len(text)]]


def _decimal(name: str, precision: int, scale: int) -> str:
    if precision > 65 or scale > 30:
        raise BadData(
            f"Column {name} is a decimal of {precision} digits, {scale} of them behind the point; MySQL "
            "holds 65 and 30: cast it at the source to fewer, or to text."
        )
    return f"decimal({precision},{scale})"


def _is_free(kind: pa.DataType) -> bool:
    return bool(is_text(kind) or pa.types.is_nested(kind))


def _is_binary(kind: pa.DataType) -> bool:
    kinds = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
        pa.types.is_binary_view,
    )
    return any(is_kind(kind) for is_kind in kinds)

"""One schema for all files of a source, and every batch brought to it."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.times import INSTANT, TimeField
from pipeline_framework.errors import BadData, Misuse


def unified(schemas: Iterable[tuple[str, pa.Schema, TimeField]]) -> pa.Schema:
    """The schema that holds every file's columns: wider numbers win, missing columns are NULL.

    Takes the file, its schema and its time field. Raises `BadData` naming both files and the column where types do not
    meet, a column that occurs twice, or a file without the time field.
    """
    columns: dict[str, tuple[str, pa.DataType]] = {}
    for file, schema, time in schemas:
        _checked(file, schema, time)
        for field in schema:
            kind = INSTANT if field.name == time.name else plain(field.type)
            columns[field.name] = _wider(field.name, columns.get(field.name, (file, kind)), (file, kind))
    return pa.schema([pa.field(name, kind) for name, (_, kind) in columns.items()])


def conformed(batch: pa.RecordBatch, schema: pa.Schema, file: str) -> pa.RecordBatch:
    """The batch with the columns of the schema; raises `BadData` for values that do not fit."""
    return pa.RecordBatch.from_arrays([_column(batch, field, file) for field in schema], schema=schema)


def plain(kind: pa.DataType) -> pa.DataType:
    """The type without its encoding: no dictionaries, views or large offsets; times in UTC microseconds."""
    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return plain(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.list_(plain(kind.value_type))
    if types.is_map(kind):
        return pa.map_(plain(kind.key_type), plain(kind.item_type))
    if types.is_struct(kind):
        return pa.struct([pa.field(field.name, plain(field.type)) for field in kind])
    return pa.date32() if types.is_date64(kind) else kind


def declared_types(columns: Mapping[str, str]) -> dict[str, pa.DataType]:
    """Arrow types by column from `source.columns`; raises `Misuse` for an unknown type."""
    return {name: _type_named(name, text) for name, text in columns.items()}


def _type_named(name: str, text: str) -> pa.DataType:
    if found := re.fullmatch(r"decimal\((\d+), *(\d+)\)", text):
        return pa.decimal128(int(found[1]), int(found[2]))
    try:
        return INSTANT if text == "timestamp" else pa.type_for_alias(text)
    except ValueError as unknown:
        raise Misuse(
            f"`source.columns.{name}` names the unknown type {text}; use string, int64, uint64, double, bool, date32, timestamp or decimal(p,s)."
        ) from unknown


def _checked(file: str, schema: pa.Schema, time: TimeField) -> None:
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise BadData(f"{file} has the column {twice[0]} twice: rename one of them.")
    if time.name not in schema.names:
        near = get_close_matches(time.name, schema.names, 1, 0) or ["none"]
        raise BadData(f"{file} has no column {time.name}; the nearest is {near[0]}. Correct `source.time_field`.")
    time.require(schema.field(time.name).type, file)


def _wider(name: str, one: tuple[str, pa.DataType], other: tuple[str, pa.DataType]) -> tuple[str, pa.DataType]:
    if one[1] == other[1]:
        return one
    try:
        both = [pa.schema([(name, kind)]) for _, kind in (one, other)]
        return one[0] if one[1] != pa.null() else other[0], pa.unify_schemas(both, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid) as apart:
        raise BadData(
            f"Column {name} is {one[1]} in {one[0]} and {other[1]} in {other[0]}: make them the same type, or read the files as two sources."
        ) from apart


def _column(batch: pa.RecordBatch, field: pa.Field, file: str) -> pa.Array:
    place = batch.schema.get_field_index(field.name)
    if place < 0:
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(place)
    try:
        return column if column.type == field.type else _cast(column, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as refused:
        raise BadData(f"Column {field.name} of {file} does not fit {field.type}: {str(refused).partition(chr(10))[0]}.") from refused


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = pc.floor_temporal(column, unit="microsecond")
    return column.cast(kind)

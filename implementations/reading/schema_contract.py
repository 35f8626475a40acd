"""One schema for all files of a source, and every batch brought to it."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.times import INSTANT, TimeField, floored
from pipeline_framework.errors import BadData, Misuse


def checked(file: str, schema: pa.Schema, time: TimeField) -> pa.Schema:
    """The schema, if it names each column once and has a time field of a type that holds times.

    Raises `BadData`, which names the column nearest to a missing time field.
    """
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise BadData(f"{file} has the column {twice[0]} twice: rename one of them.")
    if time.name not in schema.names:
        near = get_close_matches(time.name, schema.names, 1, 0) or ["none, as it has no columns"]
        raise BadData(
            f"{file} has no column {time.name}; the nearest is {near[0]}. Correct `source.time_field`."
        )
    time.utc(pa.nulls(0, schema.field(time.name).type), file)
    return schema


def unified(
    schemas: Iterable[tuple[str, pa.Schema]], time_field: str, declared: Mapping[str, pa.DataType]
) -> pa.Schema:
    """The schema that holds the columns of every file: wider numbers win, missing columns are NULL.

    Takes files with their schemas. Raises `BadData` naming both files and the column where types do
    not meet.
    """
    columns: dict[str, tuple[str, pa.DataType]] = {}
    for file, schema in schemas:
        for field in schema:
            kind = declared.get(field.name, plain(field.type)) if field.name != time_field else INSTANT
            columns[field.name] = _wider(field.name, columns.get(field.name, (file, kind)), (file, kind))
    return pa.schema([(name, kind) for name, (_, kind) in columns.items()])


def conformed(batch: pa.RecordBatch, schema: pa.Schema, file: str) -> pa.RecordBatch:
    """The batch with the columns of the schema; raises `BadData` for values that do not fit."""
    return pa.RecordBatch.from_arrays([_column(batch, field, file) for field in schema], schema=schema)


def plain(kind: pa.DataType) -> pa.DataType:
    """The type without its layout: no dictionaries, views or wide offsets; times in microseconds, UTC."""
    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return plain(kind.value_type)
    if types.is_nested(kind):
        return _plain_nested(kind)
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    layouts = {
        pa.large_string(): pa.string(),
        pa.string_view(): pa.string(),
        pa.large_binary(): pa.binary(),
        pa.binary_view(): pa.binary(),
        pa.date64(): pa.date32(),
    }
    return layouts.get(kind, kind)


def declared_types(columns: Mapping[str, str], key: str = "source.columns") -> dict[str, pa.DataType]:
    """Arrow types by column from what stands at `key`; raises `Misuse` for an unknown type."""
    return {name: _type_named(f"{key}.{name}", text) for name, text in columns.items()}


def _plain_nested(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_map(kind):
        return pa.map_(plain(kind.key_type), plain(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, plain(field.type)) for field in kind])
    return pa.list_(plain(kind.value_type))


def _type_named(name: str, text: str) -> pa.DataType:
    if found := re.fullmatch(r"decimal\((\d+), *(\d+)\)", text):
        return pa.decimal128(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"list<(.+)>", text):
        return pa.list_(_type_named(name, found[1]))
    known = {"timestamp": pa.timestamp("us"), "timestamptz": INSTANT, "date": pa.date32()}
    try:
        return known[text] if text in known else pa.type_for_alias(text)
    except ValueError as unknown:
        raise Misuse(
            f"`{name}`: there is no type {text}; use string, int64, uint64, double, bool, "
            "date, timestamp, timestamptz, decimal(p,s) or list<type>."
        ) from unknown


def _wider(
    name: str, one: tuple[str, pa.DataType], other: tuple[str, pa.DataType]
) -> tuple[str, pa.DataType]:
    if one[1] == other[1]:
        return one
    try:
        both = [pa.schema([(name, kind)]) for _, kind in (one, other)]
        kind = pa.unify_schemas(both, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid) as apart:
        raise BadData(
            f"Column {name} is {one[1]} in {one[0]} and {other[1]} in {other[0]}: write them alike, "
            f"or declare `source.columns.{name}`."
        ) from apart
    return (other if pa.types.is_null(one[1]) else one)[0], kind


def _column(batch: pa.RecordBatch, field: pa.Field, file: str) -> pa.Array:
    place = batch.schema.get_field_index(field.name)
    if place < 0:
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(place)
    try:
        return column if column.type == field.type else _cast(column, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as refused:
        why = str(refused).partition("\n")[0].rstrip(".")
        raise BadData(
            f"Column {field.name} of {file} does not fit {field.type}: {why}. Correct the file, or declare "
            f"`source.columns.{field.name}`."
        ) from refused


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(column.type) and pa.types.is_timestamp(kind):
        return floored(column).cast(kind)
    if pa.types.is_nested(kind):
        return pc.cast(column, options=pc.CastOptions(kind, allow_time_truncate=True))
    return column.cast(kind)

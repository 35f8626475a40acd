"""Arrow as a mapping: what a column is in an index, and whether one that is there holds it."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from implementations.reading.json_types import keeps_json

_TEXTS = {"keyword", "text", "wildcard", "constant_keyword", "match_only_text", "ip", "version"}
# The first of each is what a new field becomes; `_source` keeps every digit of a decimal.
_KINDS: list[tuple[Callable[[pa.DataType], bool], list[str]]] = [
    (pa.types.is_boolean, ["boolean"]),
    (pa.types.is_uint64, ["unsigned_long"]),
    (lambda kind: kind in {pa.int64(), pa.uint32()}, ["long"]),
    (lambda kind: kind in {pa.int32(), pa.uint16()}, ["long", "integer", "double"]),
    (lambda kind: kind in {pa.int16(), pa.uint8()}, ["long", "integer", "short", "double", "float"]),
    (pa.types.is_int8, ["long", "integer", "short", "byte", "double", "float"]),
    (pa.types.is_float64, ["double"]),
    (pa.types.is_floating, ["double", "float"]),
    (pa.types.is_decimal, ["double", "scaled_float"]),
    (pa.types.is_timestamp, ["date", "date_nanos"]),
    (pa.types.is_date, ["date", "date_nanos"]),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), ["binary"]),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), ["keyword", *sorted(_TEXTS)]),
]
_LONGEST = 8191  # characters of UTF-8 that surely fit into the 32,766 bytes of a term


def field_of(column: pa.Field) -> dict[str, Any] | None:
    """What a new field says of itself; None for a column of nothing but NULL."""
    kind = _plain(column.type)
    if keeps_json(column):
        return {"type": "object", "enabled": False}
    if pa.types.is_list(kind):
        inner = field_of(kind.value_field)
        return {**inner, "type": "nested"} if inner and "properties" in inner else inner
    if pa.types.is_struct(kind):
        members = {member.name: field_of(member) for member in kind}
        return {"properties": {name: field for name, field in members.items() if field}}
    names = _names(kind)
    more = {"ignore_above": _LONGEST} if names[:1] == ["keyword"] else {}
    return {"type": names[0], **more} if names else None


def holds(field: Mapping[str, Any], column: pa.Field) -> bool:
    """Whether a field takes every value of the column and finds it by what it is."""
    kind = _plain(column.type)
    if keeps_json(column) or field.get("enabled") is False or pa.types.is_null(kind):
        return True
    if pa.types.is_list(kind):
        return holds(field, kind.value_field)
    if pa.types.is_struct(kind):
        there = field.get("properties", {})
        known = [(there[member.name], member) for member in kind if member.name in there]
        return field.get("type", "object") in {"object", "nested"} and all(holds(*each) for each in known)
    return field.get("type") in _names(kind)


def storable(kind: pa.DataType) -> bool:
    """Whether there is a field for such values; for a column of nothing but NULL there need not be one."""
    kind = _plain(kind)
    if pa.types.is_list(kind):
        return storable(kind.value_type)
    if pa.types.is_struct(kind):
        return all(storable(member.type) for member in kind)
    return pa.types.is_null(kind) or bool(_names(kind))


def members(kind: pa.DataType) -> list[pa.Field]:
    """The fields of an object, also of those in a list; none for any other type."""
    kind = _plain(kind)
    if pa.types.is_list(kind):
        return members(kind.value_type)
    return list(kind) if pa.types.is_struct(kind) else []


def _names(kind: pa.DataType) -> list[str]:
    return next((names for fits, names in _KINDS if fits(kind)), [])


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field)
    return kind.value_type if pa.types.is_dictionary(kind) else kind

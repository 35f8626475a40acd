"""Mappings as schemas: what the fields of an index are in Arrow."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from implementations.reading.json_types import AS_JSON
from implementations.reading.times import INSTANT
from pipeline_framework.errors import Misuse

# www.elastic.co/docs/reference/elasticsearch/mapping-reference/field-data-types. Numbers have 64 bits:
# `_source` keeps what was sent, not what the index made of it.
_TYPES: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("long", "integer", "short", "byte"), pa.int64()),
    **dict.fromkeys(("double", "float", "half_float", "scaled_float"), pa.float64()),
    **dict.fromkeys(("date", "date_nanos"), INSTANT),
    **dict.fromkeys(("keyword", "constant_keyword", "wildcard", "text", "match_only_text"), pa.string()),
    **dict.fromkeys(("ip", "version", "binary", "search_as_you_type"), pa.string()),
    "unsigned_long": pa.uint64(),
    "boolean": pa.bool_(),
}
_NOT_IN_SOURCE = {"alias", "completion", "percolator", "rank_feature", "rank_features", "join"}


def leaf(properties: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """What the mapping says of a field; a dot leads into an object. Empty where there is none."""
    head, _, rest = path.partition(".")
    if path in properties or not rest:
        return dict(properties.get(path) or {})
    return leaf(properties.get(head, {}).get("properties", {}), rest)


def properties_of(
    mappings: Mapping[str, Any], where: str, declared: Collection[str] = frozenset()
) -> dict[str, Any]:
    """The fields of every index behind a name, as one mapping.

    Raises `Misuse` where there is no index, one keeps no `_source`, or two disagree on a field that is not
    `declared`.
    """
    if not mappings:
        raise Misuse(f"No index is named {where}: correct `source.index`.")
    united: dict[str, Any] = {}
    for index, answer in sorted(mappings.items()):
        mapping = answer["mappings"]
        if mapping.get("_source", {}).get("enabled") is False:
            raise Misuse(f"Index {index} keeps no _source, so its documents cannot be read back.")
        if mapping.get("_source", {}).keys() & {"includes", "excludes"}:
            raise Misuse(f"Index {index} keeps parts of _source only, so its documents cannot be read back.")
        _unite(united, mapping.get("properties", {}), index, declared)
    return united


def replaceable(mappings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same for an index that is loaded into; `Misuse` for a data stream."""
    if any(answer["mappings"].get("_data_stream_timestamp") for answer in mappings.values()):
        raise Misuse(
            f"The {where} is a data stream, which takes new documents but lets none be replaced: load into "
            "an index, and name it with `target.index`."
        )
    return properties_of(mappings, where)


def _unite(
    united: dict[str, Any],
    properties: Mapping[str, Any],
    index: str,
    declared: Collection[str],
    path: str = "",
) -> None:
    for name, field in properties.items():
        there = united.setdefault(name, {**field, "properties": {}} if "properties" in field else field)
        if "properties" in field and "properties" in there:
            _unite(there["properties"], field["properties"], index, declared, f"{path}{name}.")
        elif path + name not in declared and _arrow(there) != _arrow(field):
            raise Misuse(
                f"Field {path}{name} is {field.get('type', 'object')} in index {index} and "
                f"{there.get('type', 'object')} in another: declare `source.columns.{path}{name}`."
            )


def schema_of(properties: Mapping[str, Any], declared: Mapping[str, pa.DataType]) -> pa.Schema:
    """A column for each field of a mapping, and for each declared one that it lacks.

    Declared types win; a dot in their name leads into an object.
    """
    known = _fields(properties, declared, "")
    more = [pa.field(name, kind) for name, kind in declared.items() if not leaf(properties, name)]
    return pa.schema([*known, *more])


def _fields(properties: Mapping[str, Any], declared: Mapping[str, pa.DataType], path: str) -> list[pa.Field]:
    return [
        _field(name, field, declared, f"{path}{name}")
        for name, field in properties.items()
        if path + name in declared or field.get("type") not in _NOT_IN_SOURCE
    ]


def _field(name: str, field: Mapping[str, Any], declared: Mapping[str, pa.DataType], path: str) -> pa.Field:
    kind = declared.get(path) or _arrow(field, declared, path)
    return pa.field(name, pa.string(), metadata=AS_JSON) if kind is None else pa.field(name, kind)


def _arrow(
    field: Mapping[str, Any], declared: Mapping[str, pa.DataType] = MappingProxyType({}), path: str = ""
) -> pa.DataType | None:
    """The type of a field's values; None where any JSON may stand."""
    kind = field.get("type", "object")
    if kind in _TYPES:
        return _TYPES[kind]
    if kind not in {"object", "nested"} or field.get("enabled") is False or not field.get("properties"):
        return None
    struct = pa.struct(_fields(field["properties"], declared, f"{path}."))
    return pa.list_(struct) if kind == "nested" else struct

"""What Elasticsearch and OpenSearch have in common: mappings as schemas, windows as queries, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

import msgspec
import pyarrow as pa

from implementations.reading.json_types import AS_JSON
from implementations.reading.times import INSTANT, microseconds
from pipeline_framework.errors import BadData, Misuse, Unavailable
from pipeline_framework.windows import Window

T = TypeVar("T")
Unit = Literal["s", "ms", "us", "ns"]
PER_SECOND: Mapping[Unit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

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
_NUMBERS = {"long", "integer", "unsigned_long", "double", "float"}
_NOT_IN_SOURCE = {"alias", "completion", "percolator", "rank_feature", "rank_features", "join"}


class Hit(msgspec.Struct, Generic[T], gc=False):
    """A document with its id, and where the next page begins behind it."""

    id: str = msgspec.field(name="_id")
    source: T = msgspec.field(name="_source")
    sort: list[Any] = msgspec.field(default_factory=list)


class Total(msgspec.Struct):
    """How many documents match; `relation` is `eq` when that is exact."""

    value: int
    relation: str


class Hits(msgspec.Struct, Generic[T]):
    """The documents of a page."""

    hits: list[Hit[T]]
    total: Total | None = None


class Shards(msgspec.Struct):
    """How many shards did not answer."""

    failed: int = 0


class Page(msgspec.Struct, Generic[T]):
    """An answer of `_search`."""

    hits: Hits[T]
    timed_out: bool
    shards: Shards = msgspec.field(name="_shards")
    pit_id: str | None = None

    def whole(self, where: str) -> "Page[T]":
        """The page itself; `Unavailable` when shards are missing from it."""
        if self.timed_out or self.shards.failed:
            raise Unavailable(
                f"{where} answered without {self.shards.failed} of its shards (timed out: {self.timed_out}); "
                "nothing of it is believed."
            )
        return self


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """How a time field is compared: its type in the mapping, and what its numbers count from 1970."""

    name: str
    kind: str
    unit: Unit | None = None

    @classmethod
    def of(cls, name: str, properties: Mapping[str, Any], unit: Unit | None, where: str) -> "TimeBounds":
        """The time field of a mapping; `Misuse` where it is missing or holds no times."""
        kind = leaf(properties, name).get("type")
        if kind in {"date", "date_nanos"} or (kind in _NUMBERS and unit):
            return cls(name, str(kind), unit)
        if kind is None or name not in properties:
            raise Misuse(f"{where} has no field {name} at the top: correct `source.time_field`.")
        remedy = "declare `source.time_unit` (s, ms, us or ns)" if kind in _NUMBERS else "name a date field"
        raise Misuse(f"The time field {name} of {where} is {kind}, not a date: {remedy}.")

    def within(self, window: Window) -> dict[str, Any]:
        """The query for start <= time < end."""
        bounds = {"gte": self._bound(window.start), "lt": self._bound(window.end)}
        # Said here, because the field's own format may be any.
        told = {"format": "strict_date_optional_time_nanos"} if self.kind.startswith("date") else {}
        return {"range": {self.name: {**bounds, **told}}}

    def _bound(self, instant: datetime) -> str | int | float:
        if self.kind == "date" and instant.microsecond % 1000:
            raise Misuse(
                f"The time field {self.name} keeps milliseconds and the window begins or ends at {instant}: "
                "take a granularity of whole milliseconds."
            )
        if self.kind.startswith("date"):
            return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
        whole, rest = divmod(microseconds(instant) * PER_SECOND[self.unit or "ms"], 10**6)
        return whole + rest / 10**6 if rest else whole


def leaf(properties: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """What the mapping says of a field; a dot leads into an object. Empty where there is none."""
    head, _, rest = path.partition(".")
    if path in properties or not rest:
        return dict(properties.get(path) or {})
    return leaf(properties.get(head, {}).get("properties", {}), rest)


def properties_of(mappings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of every index behind a name, as one mapping.

    Raises `Misuse` where there is no index, one keeps no `_source`, or two disagree on a field.
    """
    if not mappings:
        raise Misuse(f"No index is named {where}: correct `source.index`.")
    united: dict[str, Any] = {}
    for index, answer in sorted(mappings.items()):
        mapping = answer["mappings"]
        if mapping.get("_source", {}).get("enabled") is False:
            raise Misuse(f"Index {index} keeps no _source, so its documents cannot be read back.")
        _unite(united, mapping.get("properties", {}), index, "")
    return united


def _unite(united: dict[str, Any], properties: Mapping[str, Any], index: str, path: str) -> None:
    for name, field in properties.items():
        there = united.setdefault(name, {**field, "properties": {}} if "properties" in field else field)
        if "properties" in field and "properties" in there:
            _unite(there["properties"], field["properties"], index, f"{path}{name}.")
        elif _arrow(there) != _arrow(field):
            raise Misuse(
                f"Field {path}{name} is {field.get('type', 'object')} in index {index} and "
                f"{there.get('type', 'object')} in another: declare `source.columns.{name}`."
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


def first_of(rejected: Sequence[Any], where: str) -> BadData:
    """The error for documents that do not fit."""
    return BadData(
        f"{len(rejected)} documents of {where} do not fit, the first because {rejected[0].reason}: correct "
        "them, or declare `source.columns`, or let unknown fields go with `source.schema: discard`."
    )

"""JSON as Arrow, by one schema: the types that msgspec checks a document against, and columns made of them.

Times are ISO 8601 text, or numbers that count milliseconds from 1970 unless the metadata `UNIT` says what. A
text column with the metadata `AS_JSON` keeps any value as it was written. A list column takes a single value
for a list of one.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.times import TimeField

Unknown = Literal["freeze", "discard"]  # fields that the schema lacks: the document does not fit, or they go
AS_JSON = {b"content": b"json"}
UNIT = b"unit"  # s, ms, us or ns
NULL = msgspec.Raw(b"null")
Builder = Callable[[Sequence[Any]], pa.Array]

_TYPES: dict[Callable[[pa.DataType], bool], Any] = {
    pa.types.is_boolean: bool,
    pa.types.is_integer: int,
    pa.types.is_floating: float,
    pa.types.is_decimal: Decimal,
    pa.types.is_timestamp: str | int | float,
}


def struct_of(fields: Iterable[pa.Field], unknown: Unknown) -> type[msgspec.Struct]:
    """What documents with these fields are decoded into."""
    # Numbered, because a name in JSON need not be one in Python.
    members = [
        (f"f{place}", optional(field, unknown), msgspec.field(default=absent(field), name=field.name))
        for place, field in enumerate(fields)
    ]
    return msgspec.defstruct("Document", members, forbid_unknown_fields=unknown == "freeze", gc=False)


def keeps_json(field: pa.Field) -> bool:
    """Whether a column holds JSON text of any shape."""
    return (field.metadata or {}).items() >= AS_JSON.items()


def absent(field: pa.Field) -> msgspec.Raw | None:
    """What stands for a field that a document lacks."""
    return NULL if keeps_json(field) else None


def optional(field: pa.Field, unknown: Unknown) -> Any:
    """What a field's value is decoded into, or null."""
    return msgspec.Raw if keeps_json(field) else type_of(field.type, unknown) | None


def type_of(kind: pa.DataType, unknown: Unknown) -> Any:
    """What a value is decoded into."""
    if pa.types.is_struct(kind):
        return struct_of(kind, unknown)
    if pa.types.is_list(kind):
        inner = optional(kind.value_field, unknown)
        return list[inner] if pa.types.is_list(kind.value_type) else list[inner] | inner  # type: ignore[valid-type]
    return next((python for fits, python in _TYPES.items() if fits(kind)), str)


def columns_of(fields: Iterable[pa.Field], where: str) -> Callable[[Sequence[Any]], list[pa.Array]]:
    """What makes columns of decoded documents; `where` names their place in messages.

    Raises `BadData` or `ValueError` for a value that does not fit its column.
    """
    # A column at a time: rows as tuples, turned over, took four times as long for structs.
    builders = [(attrgetter(f"f{place}"), builder(field, where)) for place, field in enumerate(fields)]

    def build(documents: Sequence[Any]) -> list[pa.Array]:
        return [make(list(map(values_of, documents))) for values_of, make in builders]

    return build


def builder(field: pa.Field, where: str) -> Builder:
    """What makes one column."""
    kind = field.type
    if keeps_json(field):
        return lambda values: pa.array([None if raw == NULL else bytes(raw) for raw in values], kind)
    if pa.types.is_struct(kind):
        return _structs(kind, where)
    if pa.types.is_list(kind):
        return _lists(kind, where)
    if pa.types.is_timestamp(kind):
        return lambda values: _times(field, values, where).cast(kind)
    if pa.types.is_date(kind):
        return lambda values: pa.array(values, pa.string()).cast(kind)
    return lambda values: _plain(field, values)


def _plain(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, field.type)
    except (OverflowError, ValueError) as error:  # pa.ArrowInvalid is a ValueError
        raise ValueError(f"the field {field.name} does not fit {field.type}: {error}") from None


def _structs(kind: pa.StructType, where: str) -> Builder:
    build, nothing, members = columns_of(kind, where), struct_of(kind, "discard")(), list(kind)

    def make(values: Sequence[Any]) -> pa.Array:
        if None not in values:
            return pa.StructArray.from_arrays(build(values), fields=members)
        missing = pa.array([value is None for value in values], pa.bool_())
        present = [nothing if value is None else value for value in values]
        return pa.StructArray.from_arrays(build(present), fields=members, mask=missing)

    return make


def _lists(kind: pa.ListType, where: str) -> Builder:
    build = builder(kind.value_field, where)

    def make(values: Sequence[Any]) -> pa.Array:
        lists = [value if value is None or type(value) is list else [value] for value in values]
        offsets, flat = [0], list[Any]()
        for each in lists:
            flat.extend(each or ())
            offsets.append(len(flat))
        missing = pa.array([each is None for each in lists], pa.bool_())
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), build(flat), kind, mask=missing)

    return make


def _times(field: pa.Field, values: Sequence[Any], where: str) -> pa.Array:
    iso = TimeField(field.name, unit="iso")
    with suppress(pa.ArrowTypeError):  # numbers among them
        return iso.utc(pa.array(values, pa.string()), where)
    texts = [value if type(value) is str else None for value in values]
    told = iso.utc(pa.array(texts, pa.string()), where)
    numbers = pa.array([None if type(value) is str else value for value in values])
    unit = (field.metadata or {}).get(UNIT, b"ms").decode()
    return pc.coalesce(told, TimeField(field.name, unit=unit).utc(numbers, where))

"""JSON documents as batches of one schema: a whole page in one go, one by one where a page does not fit.

The fast way has every field of a page checked against types made of the schema. Where that fails, each
document is taken alone: what can be converted without loss is, the rest is put aside with the reason.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pyarrow as pa

from implementations.reading.json_types import (
    AS_JSON,
    NULL,
    Unknown,
    columns_of,
    keeps_json,
    struct_of,
    type_of,
)
from implementations.reading.unknown_fields import rest_of
from pipeline_framework.errors import BadData, Misuse

Converter = Callable[[msgspec.Raw], Any]
Contract = Literal["evolve", "freeze", "discard"]  # what becomes of a field that the schema lacks
_CONTRACTS: dict[Contract, tuple[Unknown, Unknown]] = {
    "evolve": ("freeze", "discard"),
    "freeze": ("freeze", "freeze"),
    "discard": ("discard", "discard"),
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that does not fit, as it was written, and why."""

    document: bytes
    reason: str


class Documents:
    """Turns documents into batches of `schema`, a column each; see `json_types` for what fits.

    `struct` is what they are decoded into; `where` names their place in messages. With `evolve` the schema
    has one more column, `extra`, for a JSON object of what the others do not know.
    """

    def __init__(self, schema: pa.Schema, contract: Contract, where: str, extra: str = "extra") -> None:
        self._rest = rest_of(schema) if contract == "evolve" else None
        self.schema = _with_extra(schema, extra) if self._rest else schema
        self._build = columns_of(schema, where)
        # Where there is a column for what is unknown, the fast way is for pages that have none of it.
        fast, careful = _CONTRACTS[contract]
        self.struct, known = struct_of(schema, fast), struct_of(schema, careful)
        self._known = msgspec.json.Decoder(known)
        self._convert = _object(schema, known, careful)

    def batch(self, documents: Sequence[Any], raw: Sequence[msgspec.Raw] = ()) -> pa.RecordBatch:
        """A batch of decoded documents; `BadData` or `ValueError` for a value that does not fit.

        With `evolve` their text too, unless they were decoded into `struct`.
        """
        columns = self._build(documents)
        if self._rest:
            left = list(map(self._rest, raw)) or [b""] * len(documents)
            columns.append(pa.array([text or None for text in left], pa.string()))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def one_by_one(self, documents: Sequence[msgspec.Raw]) -> tuple[pa.RecordBatch, dict[int, Rejected]]:
        """A batch of the documents that fit, and the others by their place."""
        if self._rest:
            with suppress(ValueError, BadData):
                return self.batch(list(map(self._known.decode, documents)), documents), {}
        try:
            return self._sorted_out(documents, self._convert)
        except (ValueError, BadData):  # decoded, but too large for its column, or no time
            return self._sorted_out(documents, self._alone)

    def _sorted_out(
        self, documents: Sequence[msgspec.Raw], take: Converter
    ) -> tuple[pa.RecordBatch, dict[int, Rejected]]:
        fitting, rejected = list[tuple[Any, msgspec.Raw]](), dict[int, Rejected]()
        for place, document in enumerate(documents):
            try:
                fitting.append((take(document), document))
            except (ValueError, BadData) as error:
                rejected[place] = Rejected(bytes(document), str(error).partition("\n")[0])
        return self.batch([decoded for decoded, _ in fitting], [raw for _, raw in fitting]), rejected

    def _alone(self, document: msgspec.Raw) -> Any:
        decoded = self._convert(document)
        self.batch([decoded])
        return decoded


def _with_extra(schema: pa.Schema, extra: str) -> pa.Schema:
    if extra in schema.names:
        raise Misuse(f"There is a field {extra} already: choose another `source.extra_column`.")
    return schema.append(pa.field(extra, pa.string(), metadata=AS_JSON))


def _object(fields: pa.Schema | pa.StructType, struct: type[msgspec.Struct], unknown: Unknown) -> Converter:
    members = {field.name: (f"f{place}", _value(field, unknown)) for place, field in enumerate(fields)}

    def convert(document: msgspec.Raw) -> Any:
        found = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        if unknown == "freeze" and (strange := sorted(found.keys() - members.keys())):
            raise ValueError(f"the field {strange[0]} is not in the schema")
        known = [(*members[name], raw) for name, raw in found.items() if name in members]
        return struct(**{member: value(raw) for member, value, raw in known})

    return convert


def _value(field: pa.Field, unknown: Unknown) -> Converter:
    present = _present(field.type, unknown)

    def convert(raw: msgspec.Raw) -> Any:
        if keeps_json(field):
            return raw
        try:
            return None if raw == NULL else present(raw)
        except msgspec.ValidationError as error:
            raise ValueError(f"the field {field.name} does not fit {field.type}: {error}") from None

    return convert


def _present(kind: pa.DataType, unknown: Unknown) -> Converter:
    if pa.types.is_struct(kind):
        return _object(kind, struct_of(kind, unknown), unknown)
    if pa.types.is_list(kind):
        part = _value(kind.value_field, unknown)
        return lambda raw: [part(each) for each in _parts(raw)]
    if pa.types.is_string(kind):
        return _text
    return lambda raw: msgspec.json.decode(raw, type=type_of(kind, unknown), strict=False)


def _parts(raw: msgspec.Raw) -> list[msgspec.Raw]:
    return msgspec.json.decode(raw, type=list[msgspec.Raw]) if bytes(raw).startswith(b"[") else [raw]


def _text(raw: msgspec.Raw) -> str:
    """Text; a number or truth value as it was written."""
    return msgspec.json.decode(raw, type=str) if bytes(raw)[:1] in b'"[{' else bytes(raw).decode()

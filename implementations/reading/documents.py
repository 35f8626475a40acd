"""JSON documents as batches of one schema: a whole page in one go, one by one where a page does not fit.

The fast way has every field of a page checked against types made of the schema. Where that fails, each
document is taken alone: what can be converted without loss is, the rest is put aside with the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from implementations.reading.json_types import NULL, Unknown, columns_of, keeps_json, struct_of, type_of
from pipeline_framework.errors import BadData

Converter = Callable[[msgspec.Raw], Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that does not fit, as it was written, and why."""

    document: bytes
    reason: str


class Documents:
    """Turns documents into batches of `schema`, a column each; see `json_types` for what fits.

    `struct` is what they are decoded into; `where` names their place in messages.
    """

    def __init__(self, schema: pa.Schema, unknown: Unknown, where: str) -> None:
        self.schema = schema
        self.struct = struct_of(schema, unknown)
        self._build = columns_of(schema, where)
        self._convert = _object(schema, self.struct, unknown)

    def batch(self, documents: Sequence[Any]) -> pa.RecordBatch:
        """A batch of decoded documents; `BadData` or `ValueError` for a value that does not fit."""
        return pa.RecordBatch.from_arrays(self._build(documents), schema=self.schema)

    def one_by_one(self, documents: Sequence[msgspec.Raw]) -> tuple[pa.RecordBatch, dict[int, Rejected]]:
        """A batch of the documents that fit, and the others by their place."""
        try:
            return self._sorted_out(documents, self._convert)
        except (ValueError, BadData):  # decoded, but too large for its column, or no time
            return self._sorted_out(documents, self._alone)

    def _sorted_out(
        self, documents: Sequence[msgspec.Raw], take: Converter
    ) -> tuple[pa.RecordBatch, dict[int, Rejected]]:
        fitting, rejected = list[Any](), dict[int, Rejected]()
        for place, document in enumerate(documents):
            try:
                fitting.append(take(document))
            except (ValueError, BadData) as error:
                rejected[place] = Rejected(bytes(document), str(error).partition("\n")[0])
        return self.batch(fitting), rejected

    def _alone(self, document: msgspec.Raw) -> Any:
        decoded = self._convert(document)
        self.batch([decoded])
        return decoded


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

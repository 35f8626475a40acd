"""What a schema does not know of a JSON document, as it was written."""

from collections.abc import Callable, Iterable

import msgspec
import pyarrow as pa

Rest = Callable[[msgspec.Raw], bytes]


def rest_of(fields: Iterable[pa.Field]) -> Rest:
    """What takes a document and answers a JSON object of what is in none of the fields; empty for nothing.

    Objects are searched through. A list of objects is kept whole where one of them has an unknown field.
    """
    known = {field.name: _inside(field.type) for field in fields}

    def rest(document: msgspec.Raw) -> bytes:
        if not bytes(document).startswith(b"{"):
            return b""
        found = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        left = [
            (name, _left(known[name], raw) if name in known else bytes(raw)) for name, raw in found.items()
        ]
        members = [msgspec.json.encode(name) + b":" + value for name, value in left if value]
        return b"{" + b",".join(members) + b"}" if members else b""

    return rest


def _left(inner: Rest | None, raw: msgspec.Raw) -> bytes:
    return inner(raw) if inner else b""


def _inside(kind: pa.DataType) -> Rest | None:
    if pa.types.is_struct(kind):
        return rest_of(kind)
    inner = _inside(kind.value_type) if pa.types.is_list(kind) else None
    return inner and _whole_where_some(inner)


def _whole_where_some(inner: Rest) -> Rest:
    def rest(raw: msgspec.Raw) -> bytes:
        if not bytes(raw).startswith(b"["):
            return inner(raw)
        parts = msgspec.json.decode(raw, type=list[msgspec.Raw])
        return bytes(raw) if any(map(inner, parts)) else b""

    return rest

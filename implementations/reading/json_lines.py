"""JSON lines, block by block: Arrow's parser for whole blocks, line by line only to find a bad line."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

import pyarrow as pa
import pyarrow.json as pj

from implementations.reading.folders import File
from implementations.reading.text_files import opened, whole_lines
from pipeline_framework.errors import BadData

BLOCK = 8 * 1024**2
# Arrow turns integers beyond 64 bits into doubles without a word.
_TOO_WIDE = re.compile(rb"[:\[,]\s*-?\d{19,}\s*[,}\]]")


@lru_cache(maxsize=1024)
def schema(file: File, declared: tuple[tuple[str, pa.DataType], ...]) -> pa.Schema:
    """The file's columns, found by reading it once; text stays text, also where it looks like a date."""
    known = pa.schema(list(declared))
    found = [_readable(table.schema) for table in _tables(file, known, "infer")]
    try:
        return pa.unify_schemas([known, *found], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as apart:
        raise BadData(f"{file.path} holds one column in two types: {apart}. Declare it in `source.columns`, or correct the file.") from apart


def batches(file: File, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """All rows as those columns; others are passed over."""
    for table in _tables(file, columns, "ignore"):
        yield from table.combine_chunks().to_batches()


def _tables(file: File, columns: pa.Schema, others: str) -> Iterator[pa.Table]:
    options, line = pj.ParseOptions(explicit_schema=columns, unexpected_field_behavior=others), 1
    with opened(file) as stream:
        for block in whole_lines(stream, BLOCK):
            if block.strip():
                yield _parsed(file, block, line, options, check=others == "infer")
            line += block.count(b"\n")


def _parsed(file: File, block: bytes, line: int, options: pj.ParseOptions, *, check: bool) -> pa.Table:
    try:
        table = pj.read_json(io.BytesIO(block), pj.ReadOptions(use_threads=False, block_size=len(block)), options)
    except (pa.ArrowInvalid, UnicodeDecodeError) as refused:
        raise _fault(file, block, line, refused) from refused
    if check and _TOO_WIDE.search(block):
        _no_wide_integers(file, block, line, table.schema)
    return table


def _readable(schema: pa.Schema) -> pa.Schema:
    kinds = [(field.name, _as_written(field.type)) for field in schema]
    return pa.schema([(name, kind) for name, kind in kinds if kind is not None])


def _as_written(kind: pa.DataType) -> pa.DataType | None:
    """The type to read again with: no guessed dates; None for objects that never have a key."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        item = _as_written(kind.value_type)
        return None if item is None else pa.list_(item)
    if pa.types.is_struct(kind):
        inner = [(field.name, _as_written(field.type)) for field in kind]
        return pa.struct([(name, one) for name, one in inner if one is not None]) if inner else None
    return kind


def _fault(file: File, block: bytes, first: int, refused: Exception) -> BadData:
    for number, line in enumerate(block.split(b"\n"), first):
        if line.strip() and not isinstance(_value(line), dict):
            return BadData(f"{file.path}, line {number} is no JSON object: {line[:80].decode(errors='replace')!r}. Correct or remove that line.")
    last = first + block.count(b"\n")
    return BadData(f"{file.path}, between lines {first} and {last}: {refused}. Declare the column in `source.columns`, or correct the file.")


def _value(line: bytes) -> object:
    try:
        return json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None


def _no_wide_integers(file: File, block: bytes, first: int, found: pa.Schema) -> None:
    for number, line in enumerate(block.split(b"\n"), first):
        row = _value(line)
        for name, value in row.items() if isinstance(row, dict) else ():
            if isinstance(value, int) and abs(value) >= 2**63 and pa.types.is_floating(found.field(name).type):
                raise BadData(
                    f"{file.path}, line {number}: column {name} holds {value}, an integer beyond 64 bits; "
                    f"declare `source.columns.{name}` as uint64, decimal(38,0) or double."
                )

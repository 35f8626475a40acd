"""JSON lines, block by block: Arrow's parser for whole blocks, line by line only to find a bad one.

JSON has no dates, so text stays text, also where it looks like one.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.json as pj

from implementations.reading.fitting import PutAside
from implementations.reading.folders import File
from implementations.reading.text_files import opened, whole_lines
from pipeline_framework.errors import BadData

Misfit = Callable[[int, bytes, BadData], None]  # a line by number and text, and what is wrong with it
BLOCK = 4 * 1024**2  # bytes parsed at once
# Arrow turns integers beyond 64 bits into doubles without a word. A search for many equal bytes is
# ten times as fast as one for digits, and mostly there are none.
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
_WIDE = re.compile(rb"[:\[,]\s*-?\d{19,}\s*[,}\]]")
_MARK = b"\xef\xbb\xbf"  # of UTF-8, as some editors write it


@lru_cache(maxsize=1024)
def schema(file: File, declared: tuple[tuple[str, pa.DataType], ...]) -> pa.Schema:
    """The file's columns; those not declared are found by reading it once."""
    known = pa.schema(list(declared))
    options = pj.ParseOptions(explicit_schema=known, unexpected_field_behavior="infer")
    found = []

    def misfit(line: int, text: bytes, _: BadData) -> None:
        other = _as_written(_parsed(file, text, line, pj.ParseOptions()).schema)
        found.append(pa.schema([field for field in other if field.name not in known.names]))

    for line, block in _blocks(file):
        parts = _fitting(file, block, line, options, misfit)
        found += [_as_written(part.schema) for part in parts]
        if b"0" * 19 in block.translate(_DIGITS_ALIKE) and _WIDE.search(block):
            _no_wide_integers(file, block, line, known.names)
    try:
        return pa.unify_schemas([known, *found], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as apart:
        raise BadData(
            f"{file.path} holds a column in two types: {apart}. Correct it, or declare `source.columns`."
        ) from apart


def batches(
    file: File, columns: pa.Schema, time: pa.Field, aside: PutAside | None = None
) -> Iterator[pa.RecordBatch]:
    """All rows as those columns; others are passed over.

    With `aside` a row that does not fit is handed over with its `time`; one whose time cannot be read is
    `BadData` all the same, as it belongs to no window.
    """
    options, when = (
        pj.ParseOptions(explicit_schema=each, unexpected_field_behavior="ignore")
        for each in (columns, pa.schema([time]))
    )

    def misfit(line: int, text: bytes, fault: BadData) -> None:
        times = _parsed(file, text, line, when)[time.name].combine_chunks()
        if aside is None:
            raise fault
        why = str(fault.__cause__).partition("\n")[0]
        aside(times, text, why, f"{file.path}, line {line}")

    for line, block in _blocks(file):
        for part in _fitting(file, block, line, options, misfit):
            yield from part.to_batches()


def _blocks(file: File) -> Iterator[tuple[int, bytes]]:
    line = 1
    with opened(file) as stream:
        for block in whole_lines(stream, BLOCK):
            if not block.isspace():
                yield line, block
            line += block.count(b"\n")


def _parsed(file: File, block: bytes, line: int, options: pj.ParseOptions) -> pa.Table:
    reading = pj.ReadOptions(use_threads=False, block_size=len(block) + 1)
    try:
        block.decode()  # Arrow takes any bytes as text, which no target does
        return pj.read_json(io.BytesIO(block), reading, options)
    except (pa.ArrowInvalid, UnicodeDecodeError) as refused:
        raise _fault(file, block, line, refused) from refused


def _fitting(
    file: File, block: bytes, line: int, options: pj.ParseOptions, misfit: Misfit
) -> Iterator[pa.Table]:
    """A block as tables without the lines that do not fit; the fault itself where they all fit alone."""
    try:
        yield _parsed(file, block, line, options)
    except BadData as fault:
        lines = [(number, text) for number, text, _ in _lines(block, line)]
        tables = list(_by_halves(file, lines, options, misfit))
        if sum(table.num_rows for table in tables) == len(lines):  # they fit alone, but not together
            raise fault from fault.__cause__
        yield from tables


def _by_halves(
    file: File, lines: Sequence[tuple[int, bytes]], options: pj.ParseOptions, misfit: Misfit
) -> Iterator[pa.Table]:
    try:
        yield _parsed(file, b"\n".join(text for _, text in lines) + b"\n", lines[0][0], options)
    except BadData as fault:
        if len(lines) == 1:
            misfit(*lines[0], fault)
            return
        middle = len(lines) // 2
        for half in (lines[:middle], lines[middle:]):
            yield from _by_halves(file, half, options, misfit)


def _as_written(schema: pa.Schema) -> pa.Schema:
    kinds = [(field.name, _kind_as_written(field.type)) for field in schema]
    return pa.schema([(name, kind) for name, kind in kinds if kind is not None])


def _kind_as_written(kind: pa.DataType) -> pa.DataType | None:
    """The type without guessed dates; None for objects that never have a key, which Parquet cannot hold."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        item = _kind_as_written(kind.value_type)
        return pa.list_(item) if item is not None else None
    if pa.types.is_struct(kind):
        inner = _as_written(pa.schema(list(kind)))
        return pa.struct(list(inner)) if inner.names else None
    return kind


def _fault(file: File, block: bytes, first: int, refused: Exception) -> BadData:
    for number, line, value in _lines(block, first):
        if not isinstance(value, dict):
            text = line[:80].decode(errors="replace")
            return BadData(
                f"{file.path}, line {number}, is no JSON object in UTF-8: {text!r}. Correct or remove it."
            )
    last, why = first + block.count(b"\n") - 1, str(refused).partition("\n")[0]
    return BadData(f"{file.path}, lines {first} to {last}: {why}. Correct them, or declare `source.columns`.")


def _lines(block: bytes, first: int) -> Iterator[tuple[int, bytes, object]]:
    for number, line in enumerate(block.split(b"\n"), first):
        if line.strip():
            yield number, line, _value(line)


def _value(line: bytes) -> object:
    try:
        return json.loads(line.removeprefix(_MARK))
    except ValueError:
        return None


def _no_wide_integers(file: File, block: bytes, first: int, declared: list[str]) -> None:
    for number, _, row in _lines(block, first):
        for name, value in row.items() if isinstance(row, dict) else ():
            if name not in declared and _too_wide(value):
                raise BadData(
                    f"{file.path}, line {number}: an integer in {name} is wider than 64 bits; declare "
                    f"`source.columns.{name}` as uint64, decimal(38,0) or double."
                )


def _too_wide(value: object) -> bool:
    if isinstance(value, dict | list):
        return any(map(_too_wide, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63

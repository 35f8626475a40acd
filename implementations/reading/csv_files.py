"""CSV, streamed: each column in the narrowest type that holds every value of the file unchanged.

Numbers, true and false are recognised; dates stay text unless declared, and so does `007`. An empty
field without quotes is NULL.
"""

import csv
from codecs import iterdecode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from implementations.reading.fitting import PutAside
from implementations.reading.folders import File
from implementations.reading.text_files import Followed, opened
from implementations.reading.text_values import typed
from pipeline_framework.errors import BadData

# Bytes parsed at once, tried in turn: a row has to fit into a block.
BLOCKS = tuple(512 * 1024 * factor for factor in (1, 16, 256))
_NARROWEST_FIRST = (pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string())
# A leading zero or plus means something to people; a double holds 15 digits of an integer for certain,
# and gives back the 17 digits it was written with.
_NO_INTEGER = r"^\+|^-?0\d|[^0-9-]"
_NO_DOUBLE = r"^\+|^-?0\d|^-?\d{16,}$|(\d\.?){18,}|[^0-9.eE+-]"
_END = "end of file"
_PARSING = pv.ParseOptions(newlines_in_values=True)


@lru_cache(maxsize=1024)
def schema(file: File, declared: tuple[tuple[str, pa.DataType], ...]) -> pa.Schema:
    """The file's columns; those not declared are found by reading it once."""
    known = dict(declared)
    fitting = dict.fromkeys(_header(file), _NARROWEST_FIRST)
    for batch in _texts(file, list(fitting)):
        for name in fitting.keys() - known.keys():
            fitting[name] = tuple(kind for kind in fitting[name] if _holds(batch.column(name), kind))
    return pa.schema([(name, known.get(name, kinds[0])) for name, kinds in fitting.items()])


def batches(
    file: File, columns: pa.Schema, time: str = "", aside: PutAside | None = None
) -> Iterator[pa.RecordBatch]:
    """All rows of these columns.

    With `aside` a row with a value that does not fit is handed over with its `time`.
    """
    names, kinds, passed = columns.names, dict(zip(columns.names, columns.types, strict=True)), 0
    with _plainly(file):
        try:
            for batch in _in_blocks(file, kinds):
                passed += batch.num_rows
                yield batch
        except pa.ArrowInvalid as refused:
            if aside is None or "conversion error" not in str(refused):
                raise
            texts = _in_blocks(file, dict.fromkeys(names, pa.string()), passed)
            yield from typed(texts, columns, time, aside, place=file.path, passed=passed)


def _texts(file: File, names: list[str]) -> Iterator[pa.RecordBatch]:
    """All rows as text; `BadData` for a file that ends within quotes, which pyarrow would close there.

    A row behind the last one shows it: only behind closed quotes it comes out as it went in.
    """
    kinds, last = dict.fromkeys(names, pa.string()), None
    one_more = f"\n{','.join([_END] * len(names))}".encode()
    with _plainly(file):
        for batch in filter(len, _in_blocks(file, kinds, behind=one_more)):
            if last:
                yield last
            last = batch
    if last:
        rows = last.num_rows - 1
        if any(value != _END for value in last.slice(rows).to_pylist()[0].values()):
            raise BadData(f"{file.path} ends within quotes: close them, or write the file again.")
        yield last.slice(0, rows)


def _in_blocks(
    file: File, kinds: Mapping[str, pa.DataType], passed: int = 0, behind: bytes = b"\n"
) -> Iterator[pa.RecordBatch]:
    """Batches behind the first `passed` rows; `behind` the file, which may lack its last newline, a line."""
    options = pv.ConvertOptions(
        column_types=kinds,
        include_columns=list(kinds),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["true", "True", "TRUE"],
        false_values=["false", "False", "FALSE"],
    )
    for block in BLOCKS:
        try:
            for batch in _behind(passed, _opened(file, block, options, behind)):
                passed += batch.num_rows
                yield batch
        except pa.ArrowInvalid as refused:
            if "straddling" not in str(refused) or block == BLOCKS[-1]:
                raise
        else:
            return


def _behind(passed: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if passed < batch.num_rows:
            yield batch.slice(passed)
        passed = max(passed - batch.num_rows, 0)


def _opened(file: File, block: int, options: pv.ConvertOptions, behind: bytes) -> Iterator[pa.RecordBatch]:
    with opened(file) as stream:
        yield from pv.open_csv(
            Followed(stream, behind), pv.ReadOptions(use_threads=False, block_size=block), _PARSING, options
        )


def _header(file: File) -> list[str]:
    with _plainly(file), opened(file) as stream:
        names = next(filter(None, csv.reader(iterdecode(stream, "utf-8-sig"))), [])
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadData(f"{file.path} has the column {twice[0]} twice: rename one of them.")
    return names


def _holds(column: pa.Array, kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return bool(column.null_count == len(column))
    if pa.types.is_boolean(kind):
        return not _any(pc.invert(pc.match_substring_regex(column, "^(true|True|TRUE|false|False|FALSE)$")))
    if pa.types.is_string(kind):
        return True
    odd = _NO_INTEGER if pa.types.is_integer(kind) else _NO_DOUBLE
    return not _any(pc.match_substring_regex(column, odd)) and _casts(column, kind)


def _any(mask: pa.Array) -> bool:
    return bool(pc.any(mask).as_py())


def _casts(column: pa.Array, kind: pa.DataType) -> bool:
    try:
        column.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


@contextmanager
def _plainly(file: File) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, csv.Error) as refused:
        file.unchanged()
        why = str(refused).partition("\n")[0].rstrip(".?")
        raise BadData(f"{file.path} is no well-formed CSV: {why}. {_remedy(why)}") from refused


def _remedy(why: str) -> str:
    if "codec" in why or "UTF8" in why:
        return "Save the file as UTF-8."
    if "straddling" in why:
        most = BLOCKS[-1] // 1024**2
        return f"A row may have {most} MB: close the quotes of its values, or shorten it."
    return "Correct that row."

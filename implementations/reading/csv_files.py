"""CSV, streamed: read as text, then brought to the narrowest type that holds every value unchanged."""

from collections.abc import Iterator
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from implementations.reading.folders import File
from implementations.reading.text_files import opened
from pipeline_framework.errors import BadData

BLOCK = 4 * 1024**2
_LADDER = (pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string())


@lru_cache(maxsize=1024)
def schema(file: File, declared: tuple[tuple[str, pa.DataType], ...]) -> pa.Schema:
    """The file's columns, found by reading it once. Numbers and true/false are recognised, `007` stays text."""
    known, steps = dict(declared), {}
    for batch in batches(file, pa.schema([])):
        steps = steps or dict.fromkeys(batch.schema.names, 0)
        for name in set(batch.schema.names) - known.keys():
            steps[name] = _step(batch.column(name), steps[name])
    return pa.schema([(name, known.get(name, _LADDER[step])) for name, step in steps.items()])


def batches(file: File, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """All rows; the columns named come in their types, others as text. An empty unquoted field is NULL."""
    with opened(file) as stream:
        names = _header(file)
        kinds = {name: columns.field(name).type if name in columns.names else pa.string() for name in names}
        chosen = columns.names or names
        try:
            yield from pv.open_csv(
                stream,
                pv.ReadOptions(use_threads=False, block_size=BLOCK),
                pv.ParseOptions(newlines_in_values=True),
                pv.ConvertOptions(
                    column_types=kinds,
                    include_columns=[name for name in chosen if name in kinds],
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError) as refused:
            raise _fault(file, refused) from refused


def _header(file: File) -> list[str]:
    with opened(file) as stream:
        try:
            return list(pv.open_csv(stream, pv.ReadOptions(use_threads=False), pv.ParseOptions(newlines_in_values=True)).schema.names)
        except (pa.ArrowInvalid, UnicodeDecodeError) as refused:
            raise _fault(file, refused) from refused


def _step(column: pa.Array, step: int) -> int:
    while not _holds(column, _LADDER[step]):
        step += 1
    return step


def _holds(column: pa.Array, kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return bool(column.null_count == len(column))
    if pa.types.is_boolean(kind):
        return not pc.any(pc.invert(pc.is_in(column, pa.array(["true", "false", "True", "False", None])))).as_py()
    if pa.types.is_string(kind):
        return True
    # A leading zero or sign means something to people; more than 15 digits do not fit into a double.
    odd = r"^\+|^-?0\d|^-?\d{19,}$" if pa.types.is_integer(kind) else r"^\+|^-?0\d|^-?\d{16,}$|[^0-9.eE+-]"
    try:
        return not pc.any(pc.match_substring_regex(column, odd)).as_py() and column.cast(kind) is not None
    except pa.ArrowInvalid:
        return False


def _fault(file: File, refused: Exception) -> BadData:
    text = str(refused).partition("\n")[0]
    return BadData(f"{file.path} is no well-formed CSV: {text}. Correct that line, or declare the column in `source.columns`.")

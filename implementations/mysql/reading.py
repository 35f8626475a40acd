"""Rows of MySQL as Arrow: the server spells a row as one line of CSV, which Arrow reads by columns.

That takes half the processor time of making a Python object of every value (docs/performance.md). What may
be large (LONGTEXT, JSON, BLOB) comes beside that line, as it is.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv

from implementations.reading.times import INSTANT
from pipeline_framework.errors import BadData

ROWS = 10_000  # of a batch, unless they are long
BYTES = 4 * 1024**2  # of a batch's large values

_INTEGERS = {"tinyint": "int8", "smallint": "int16", "mediumint": "int32", "int": "int32", "bigint": "int64"}
_LARGE = re.compile(
    r"(medium|long)text|json|.*blob|(var)?binary.*|geometry|.*point|.*string|.*polygon|.*collection"
)
_TEXT = re.compile(r"(medium|long)text|json")


@dataclass(frozen=True, slots=True)
class Column:
    """A column to read: its name, the type it has in Arrow, and whether it comes beside the line."""

    name: str
    kind: pa.DataType
    large: bool
    asked: str

    @property
    def parsed(self) -> pa.DataType:
        """What Arrow reads in the line: of an instant only the clock, of a long decimal its text."""
        if pa.types.is_decimal256(self.kind):
            return pa.string()
        return pa.timestamp("us") if pa.types.is_timestamp(self.kind) else self.kind


def column(name: str, shown: str, quoted: str, *, tinyint_is_bool: bool) -> Column:
    """How a column of the type that SHOW COLUMNS tells is read."""
    if _LARGE.fullmatch(shown):
        text = bool(_TEXT.fullmatch(shown))
        asked = f"CONVERT({quoted} USING utf8mb4)" if text else f"CAST({quoted} AS BINARY)"
        return Column(name, pa.string() if text else pa.binary(), large=True, asked=asked)
    kind = pa.bool_() if shown == "tinyint(1)" and tinyint_is_bool else _kind(shown)
    return Column(name, kind, large=False, asked=_spelled(quoted, shown, kind))


def query(columns: Iterable[Column]) -> str:
    """What to select: the line of all columns that are not large, then the large ones."""
    columns = list(columns)
    line = ", ',', ".join(f"IFNULL({each.asked}, '')" for each in columns if not each.large)
    return ", ".join([f"CAST(CONCAT({line}) AS BINARY)", *(each.asked for each in columns if each.large)])


def batches(cursor: Any, columns: Sequence[Column], place: str) -> Iterator[pa.RecordBatch]:
    """What the cursor answers to `query`; `BadData` for values that Arrow does not hold."""
    while rows := _some(cursor):
        lines, *large = zip(*rows, strict=True)
        if None in lines:
            raise BadData(f"A row of {place} is longer than the server's max_allowed_packet: raise that.")
        read = _parsed(lines, [each for each in columns if not each.large], place)
        beside = {
            each.name: pa.array(values, each.kind)
            for each, values in zip(_large(columns), large, strict=True)
        }
        arrays = [beside[each.name] if each.large else read[each.name].cast(each.kind) for each in columns]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema(columns))


def schema(columns: Iterable[Column]) -> pa.Schema:
    """The columns in Arrow."""
    return pa.schema([(each.name, each.kind) for each in columns])


def _large(columns: Iterable[Column]) -> list[Column]:
    return [each for each in columns if each.large]


def _some(cursor: Any) -> list[tuple[bytes, ...]]:
    """The next rows: `ROWS` of them, fewer where their values are large."""
    rows: list[tuple[bytes, ...]] = []
    size = 0
    while len(rows) < ROWS and size < BYTES and (more := cursor.fetchmany(100)):
        rows += more
        size += sum(len(value) for row in more for value in row if value)
    return rows


def _parsed(lines: Sequence[bytes], columns: Sequence[Column], place: str) -> Mapping[str, pa.Array]:
    text = b"\n".join(lines)
    names = [str(number) for number in range(len(columns))]
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(text),
            pyarrow.csv.ReadOptions(column_names=names, block_size=len(text) + 1, use_threads=False),
            pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types={name: each.parsed for name, each in zip(names, columns, strict=True)},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["1"],
                false_values=["0"],
            ),
        )
    except pa.ArrowInvalid as refused:
        found = re.match(r"In CSV column #(\d+): (.*)", str(refused).replace("\n", " "))
        where, why = (columns[int(found[1])], found[2]) if found else (columns[0], str(refused))
        raise BadData(
            f"Column {where.name} of {place} does not fit {where.kind}: {why.rstrip('.')}."
        ) from None
    return {each.name: column.combine_chunks() for each, column in zip(columns, table.columns, strict=True)}


def _kind(shown: str) -> pa.DataType:
    if found := re.fullmatch(r"(\w*int)(?:\(1\))?( unsigned)?", shown):
        return pa.type_for_alias(("u" if found[2] else "") + _INTEGERS[found[1]])
    if found := re.fullmatch(r"decimal\((\d+),(\d+)\).*", shown):
        precision, scale = map(int, found.groups())
        return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    for pattern, kind in {
        "float.*": pa.float32(),
        "double.*": pa.float64(),
        "date": pa.date32(),
        "year.*": pa.int16(),
        r"bit.*": pa.uint64(),
        r"datetime.*": pa.timestamp("us"),
        r"timestamp.*": INSTANT,
    }.items():
        if re.fullmatch(pattern, shown):
            return kind
    return pa.string()


def _spelled(quoted: str, shown: str, kind: pa.DataType) -> str:
    """A value as CSV: text in quotes, so that an empty one is none of NULL."""
    if shown.startswith("bit"):
        return f"CAST({quoted} AS UNSIGNED)"
    if shown.startswith("float"):
        return f"CAST({quoted} AS DOUBLE)"  # else six digits of it
    if not pa.types.is_string(kind):
        return quoted
    text = f"CONVERT(CAST({quoted} AS CHAR) USING utf8mb4)"
    return f"CONCAT('\"', REPLACE({text}, '\"', '\"\"'), '\"')"

"""Files as source: Parquet, CSV and JSON lines in a folder or behind a pattern."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import PositiveInt

from implementations.reading import csv_files, json_lines, parquet_files
from implementations.reading.counted import ANY, Counted, counted, timeless
from implementations.reading.fitting import PutAside
from implementations.reading.folders import File, Format, files_of
from implementations.reading.schema_contract import checked, conformed, declared_types, unified
from implementations.reading.times import Repeated, TimeField, Unit, inside
from pipeline_framework.errors import Misuse, Unavailable
from pipeline_framework.interfaces import InputPath, Reading, Tally
from pipeline_framework.windows import Window


@dataclass(frozen=True)
class FilesSource:
    """Rows of files, each by the time in it (`type: files`).

    `path`: a file, a folder or a pattern. `time_field`: the column that decides a row's window. `format`:
    `parquet`, `csv` or `jsonl`; by the ending when absent; text may be packed (`.gz`). `time_zone`: IANA zone
    of times that carry none. `time_unit`: what numbers count from 1970, `s`, `ms`, `us` or `ns`, or `iso` for
    text in Parquet. `ambiguous_time`: which instant a local time of a repeated hour means, the `earliest` or
    the `latest`; with `fail` its rows are refused, as those of a skipped hour are. `null_time`: whether rows
    without a time are refused (`refuse`) or left out (`ignore`). `columns`: types by column where the files
    do not say or disagree (`decimal(20,2)`, `uint64`, `string`, ...). `batch_rows`: rows in memory at once.

    A field that any line of JSON has is a column, but for one that never holds more than an empty object.

    Times come out in UTC microseconds, finer digits cut off; other local times stay local.
    """

    path: InputPath
    time_field: str
    format: Format | None = None
    time_zone: str = "UTC"
    time_unit: Unit | None = None
    ambiguous_time: Repeated = "fail"
    null_time: Literal["refuse", "ignore"] = "refuse"
    columns: Mapping[str, str] = field(default_factory=dict)
    batch_rows: PositiveInt = 64 * 1024

    def __post_init__(self) -> None:
        declared_types(self.columns)
        try:
            ZoneInfo(self.time_zone)
        except (OSError, ValueError, LookupError) as unknown:
            raise Misuse(
                f"`source.time_zone`: there is no zone {self.time_zone}; use an IANA name."
            ) from unknown

    def check(self) -> str:
        files = files_of(self.path, self.format)
        columns, left_out = len(self._schema(files).names), self._timeless(files)
        told = f"{self.path}: {len(files)} files of {columns} columns, time field {self.time_field}"
        return f"{told}; {left_out} rows without a time are left out" if left_out else told

    def count(self, window: Window) -> int:
        return sum(rows for _, rows in self._counted(files_of(self.path, self.format), window))

    def read(self, window: Window) -> Reading:
        files = files_of(self.path, self.format)
        schema, found, tally = self._schema(files), self._counted(files, window), Tally()
        rows = self._rows(found, schema, window, tally)
        return Reading(schema, rows, sum(rows for _, rows in found), tally)

    def _timeless(self, files: list[File]) -> int:
        found = [(file, self._count(file, ANY)) for file in files]
        self._refuse(found)
        return sum(numbers.timeless for _, numbers in found)

    def _counted(self, files: list[File], window: Window) -> list[tuple[File, int]]:
        found = [(file, self._count(file, window)) for file in files]
        self._refuse(found)
        return [(file, numbers.rows) for file, numbers in found]

    def _refuse(self, found: list[tuple[File, Counted]]) -> None:
        for file, numbers in found:
            if numbers.timeless and self.null_time == "refuse":
                raise timeless(numbers.timeless, file.path, self.time_field)

    def _count(self, file: File, window: Window) -> Counted:
        time, column = self._time(file), self._file_schema(file).field(self.time_field)
        if file.format == "parquet":
            return parquet_files.count(file, time, window)
        batches = _text_batches(file, pa.schema([column]), column)
        return sum((counted(time.utc(batch.column(0), file.path), window) for batch in batches), Counted())

    def _rows(
        self, found: list[tuple[File, int]], schema: pa.Schema, window: Window, tally: Tally
    ) -> Iterator[pa.RecordBatch]:
        for file, expected in found:
            read = -tally.bad
            file.unchanged()
            for batch in self._of_window(file, schema, window, tally):
                read += batch.num_rows
                yield batch
            file.unchanged()
            if read + tally.bad != expected:
                raise Unavailable(
                    f"{file.path} gave {read + tally.bad} rows where {expected} were counted; read it again."
                )

    def _of_window(
        self, file: File, schema: pa.Schema, window: Window, tally: Tally
    ) -> Iterator[pa.RecordBatch]:
        time = self._time(file)

        def aside(times: pa.Array, document: bytes, reason: str, place: str) -> None:
            if pc.any(inside(time.utc(times, file.path), window)).as_py():
                tally.put_aside(document, reason, place)

        for batch in self._batches(file, window, aside):
            place = batch.schema.get_field_index(time.name)
            times = time.utc(batch.column(place), file.path)
            timed = batch.set_column(place, schema.field(time.name), times)
            # First to plain types: Arrow cannot filter each of its layouts.
            rows = conformed(timed, schema, file.path).filter(inside(times, window))
            yield from _slices(rows, self.batch_rows)

    def _batches(self, file: File, window: Window, aside: PutAside) -> Iterator[pa.RecordBatch]:
        if file.format == "parquet":
            return parquet_files.batches(file, self._time(file), window, self.batch_rows)
        schema = self._file_schema(file)
        return _text_batches(file, schema, schema.field(self.time_field), aside)

    def _schema(self, files: list[File]) -> pa.Schema:
        schemas = ((file.path, self._file_schema(file)) for file in files)
        return unified(schemas, self.time_field, declared_types(self.columns))

    def _file_schema(self, file: File) -> pa.Schema:
        return checked(file.path, self._schema_as_written(file), self._time(file))

    def _schema_as_written(self, file: File) -> pa.Schema:
        if file.format == "parquet":
            return parquet_files.footer(file, self._time(file)).schema
        declared = declared_types(self.columns)
        if file.format == "csv":
            return csv_files.schema(file, tuple({**declared, self.time_field: pa.string()}.items()))
        return json_lines.schema(file, tuple(declared.items()))

    def _time(self, file: File) -> TimeField:
        unit = self.time_unit or (None if file.format == "parquet" else "iso")
        return TimeField(self.time_field, self.time_zone, unit, self.ambiguous_time)


def _text_batches(
    file: File, columns: pa.Schema, time: pa.Field, aside: PutAside | None = None
) -> Iterator[pa.RecordBatch]:
    if file.format == "csv":
        return csv_files.batches(file, columns, time.name, aside)
    return json_lines.batches(file, columns, time, aside)


def _slices(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))

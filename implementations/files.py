"""Files as source: Parquet, CSV and JSON lines in a folder or behind a pattern."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading import csv_files, json_lines, parquet_files
from implementations.reading.folders import File, Format, files_of
from implementations.reading.schema_contract import conformed, declared_types, unified
from implementations.reading.times import TimeField, Unit, inside
from pipeline_framework.errors import BadData, Unavailable
from pipeline_framework.interfaces import InputPath, Reading
from pipeline_framework.windows import Window


@dataclass(frozen=True)
class FilesSource:
    """Rows of files by the time in each row (`type: files`).

    `path`: a file, a folder or a pattern. `format`: by the file's ending when absent; `.gz` for
    text. `time_zone`: IANA zone of times that carry none. `time_unit`: what a number counts from
    1970, or `iso` for text in Parquet. `ambiguous_time`: which instant a local time of a repeated
    hour means. `null_time`: whether rows without a time fail or are left out. `columns`: types of
    columns of text files by name (`decimal(20,2)`, `uint64`, `timestamp`, …). `batch_rows`: rows in
    memory at once.
    """

    path: InputPath
    time_field: str
    format: Format | None = None
    time_zone: str = "UTC"
    time_unit: Unit | None = None
    ambiguous_time: Literal["raise", "earliest", "latest"] = "raise"
    null_time: Literal["fail", "ignore"] = "fail"
    columns: Mapping[str, str] = field(default_factory=dict)
    batch_rows: int = 64 * 1024

    def check(self) -> str:
        """Reads footers and text files' columns, no Parquet row."""
        files = files_of(self.path, self.format)
        columns = len(self._schema(files).names)
        return f"{len(files)} files of {columns} columns in {self.path}, time field {self.time_field}"

    def count(self, window: Window) -> int:
        """Rows of all files with start <= time < end."""
        return sum(rows for _, rows in self._counted(files_of(self.path, self.format), window))

    def read(self, window: Window) -> Reading:
        """The rows that were counted: a file that changed since makes `Unavailable`."""
        files = files_of(self.path, self.format)
        schema = self._schema(files)
        counted = self._counted(files, window)
        return Reading(schema, self._rows(counted, schema, window), sum(rows for _, rows in counted))

    def _counted(self, files: list[File], window: Window) -> list[tuple[File, int]]:
        return [(file, self._count(file, window)) for file in files]

    def _count(self, file: File, window: Window) -> int:
        rows, nulls = self._parquet_count(file, window) if file.format == "parquet" else self._text_count(file, window)
        if nulls and self.null_time == "fail":
            raise BadData(
                f"{nulls} rows of {file.path} have no {self.time_field}, so they belong to no window: "
                "give them a time, or leave them out with `null_time: ignore`."
            )
        return rows

    def _parquet_count(self, file: File, window: Window) -> tuple[int, int]:
        time, groups = self._time(file), parquet_files.footer(file, self._time(file)).groups
        known = [group for group in groups if group.nulls is not None and (group.outside(window) or group.within(window))]
        rows = sum(group.rows - (group.nulls or 0) for group in known if group.within(window))
        nulls = sum(group.nulls or 0 for group in known)
        unknown = [group for group in groups if group not in known]
        for found, without in parquet_files.scanned(file, unknown, time, window):
            rows, nulls = rows + found, nulls + without
        return rows, nulls

    def _text_count(self, file: File, window: Window) -> tuple[int, int]:
        rows = nulls = 0
        kind = self._file_schema(file).field(self.time_field)
        for batch in self._text_batches(file, pa.schema([kind])):
            times = self._time(file).utc(batch.column(0), file.path)
            rows, nulls = rows + (pc.sum(inside(times, window)).as_py() or 0), nulls + times.null_count
        return rows, nulls

    def _rows(self, counted: list[tuple[File, int]], schema: pa.Schema, window: Window) -> Iterator[pa.RecordBatch]:
        for file, expected in counted:
            file.unchanged()
            read = 0
            for batch in self._of_window(file, schema, window):
                read += batch.num_rows
                yield batch
            file.unchanged()
            if read != expected:
                raise Unavailable(f"{file.path} gave {read} rows after {expected} were counted; the window is read again.")

    def _of_window(self, file: File, schema: pa.Schema, window: Window) -> Iterator[pa.RecordBatch]:
        for batch in self._raw(file, schema, window):
            place = batch.schema.get_field_index(self.time_field)
            times = self._time(file).utc(batch.column(place), file.path)
            rows = batch.set_column(place, schema.field(self.time_field), times).filter(inside(times, window))
            if rows.num_rows:
                yield conformed(rows, schema, file.path)

    def _raw(self, file: File, schema: pa.Schema, window: Window) -> Iterator[pa.RecordBatch]:
        if file.format != "parquet":
            return self._text_batches(file, self._file_schema(file))
        footer = parquet_files.footer(file, self._time(file))
        groups = [group for group in footer.groups if not group.outside(window)]
        return parquet_files.batches(file, groups, footer.schema.names, self.batch_rows)

    def _text_batches(self, file: File, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
        return (csv_files if file.format == "csv" else json_lines).batches(file, columns)

    def _schema(self, files: list[File]) -> pa.Schema:
        return unified((file.path, self._file_schema(file), self._time(file)) for file in files)

    def _file_schema(self, file: File) -> pa.Schema:
        if file.format == "parquet":
            return parquet_files.footer(file, self._time(file)).schema
        declared = declared_types(self.columns)
        if file.format == "csv":
            return csv_files.schema(file, tuple({**declared, self.time_field: pa.string()}.items()))
        return json_lines.schema(file, tuple(declared.items()))

    def _time(self, file: File) -> TimeField:
        unit = self.time_unit or (None if file.format == "parquet" else "iso")
        return TimeField(self.time_field, self.time_zone, unit, self.ambiguous_time)

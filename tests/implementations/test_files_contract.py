"""The files source keeps the contract in each of its formats."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from implementations.files import FilesSource
from pipeline_framework.testing.source_contract import Fill, SourceContract
from pipeline_framework.testing.truth import TIME_FIELD


def halves(table: pa.Table) -> Iterator[pa.Table]:
    """Two files are more than one."""
    middle = table.num_rows // 2
    yield from (table.slice(0, middle), table.slice(middle))


class TestParquet(SourceContract):
    """Every type that Arrow and Parquet share."""

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Fill:
        def fill(table: pa.Table) -> FilesSource:
            for number, half in enumerate(halves(table)):
                pq.write_table(half, tmp_path / f"{number}.parquet", row_group_size=7)
            return FilesSource(str(tmp_path / "*.parquet"), TIME_FIELD, batch_rows=5)

        return fill


class TestParquetWithoutStatistics(SourceContract):
    """The same rows where only the rows themselves tell their times."""

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Fill:
        def fill(table: pa.Table) -> FilesSource:
            pq.write_table(table, tmp_path / "all.parquet", row_group_size=7, write_statistics=False)
            return FilesSource(str(tmp_path), TIME_FIELD)

        return fill


class TestCsv(SourceContract):
    """Text of numbers, text and times; what text cannot say is declared."""

    columns = (TIME_FIELD, "number", "unsigned", "small", "ratio", "text", "flag", "day", "amount", "local")

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Fill:
        def fill(table: pa.Table) -> FilesSource:
            for number, half in enumerate(halves(table)):
                (tmp_path / f"{number}.csv.gz").write_bytes(gzip.compress(csv_of(half).encode()))
            declared = {"unsigned": "uint64", "day": "date", "amount": "decimal(38,9)", "local": "timestamp"}
            return FilesSource(str(tmp_path / "*.csv.gz"), TIME_FIELD, columns=declared | {"ratio": "double"})

        return fill


class TestJsonLines(SourceContract):
    """Nested values too; binary has no place in JSON."""

    columns = (TIME_FIELD, "number", "unsigned", "small", "ratio", "text", "flag", "tags", "place")

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Fill:
        def fill(table: pa.Table) -> FilesSource:
            for number, half in enumerate(halves(table)):
                lines = (json.dumps(row, default=str) for row in half.to_pylist())
                (tmp_path / f"{number}.jsonl").write_text("".join(f"{line}\n" for line in lines))
            return FilesSource(str(tmp_path / "*.jsonl"), TIME_FIELD, columns={"unsigned": "uint64"})

        return fill


def csv_of(table: pa.Table) -> str:
    """As careful programs write it: NULL is nothing at all, text is in quotes."""
    rows = [table.column_names, *(row.values() for row in table.to_pylist())]
    return "".join(",".join(said(value) for value in row) + "\r\n" for row in rows)


def said(value: object) -> str:
    """A value as a field of CSV."""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)

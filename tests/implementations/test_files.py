"""The files source finds its files, prunes by statistics and brings different files to one schema."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from implementations.files import FilesSource
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.truth import INSTANT, TICK, TIME_FIELD, WINDOW, truth
from pipeline_framework.windows import Window

LINE = '{"happened_at": "2013-11-03T05:00:00Z"}\n'


def source(path: Path, **settings: Any) -> FilesSource:
    return FilesSource(str(path), settings.pop("time_field", TIME_FIELD), **settings)


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("", ["a.jsonl", "deep/er/c.jsonl.gz", "deep/b.ndjson"]),
        ("*.jsonl", ["a.jsonl"]),
        ("**/*json*", ["a.jsonl", "deep/er/c.jsonl.gz", "deep/b.ndjson"]),
        ("deep/*", ["deep/b.ndjson"]),
        ("a.jsonl", ["a.jsonl"]),
        ("[a-b].jsonl", ["a.jsonl"]),
    ],
)
def test_paths_mean_files_folders_and_patterns(tmp_path: Path, pattern: str, files: list[str]) -> None:
    """What begins with a dot or an underscore is unfinished work of a writer; other files are no data."""
    root = tmp_path / "in [1]"
    hidden = ["_SUCCESS", ".a.jsonl.crc", "_temporary/x.jsonl", "deep/.hidden/y.jsonl"]
    for name in ["a.jsonl", "deep/b.ndjson", "deep/er/c.jsonl.gz", *hidden]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(LINE.encode()) if name.endswith("gz") else LINE.encode())
    (root / "README.md").write_text("no data")
    escaped = str(root).replace("[1]", "[[]1]") if "*" in pattern or "[" in pattern else str(root)
    found = FilesSource(f"{escaped}/{pattern}", TIME_FIELD)
    assert found.count(WINDOW) == len(files)
    assert f"{len(files)} files" in found.check()


def spoil(path: Path, groups: list[int]) -> None:
    """Overwrite the pages of row groups, so that reading them would fail."""
    content = bytearray(path.read_bytes())
    metadata = pq.read_metadata(path)
    for group in groups:
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            start = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
            content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)


KINDS = [pa.timestamp("us", "UTC"), pa.timestamp("ms"), pa.timestamp("ns", "America/New_York"), pa.int64()]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_row_groups_outside_the_window_are_not_read(tmp_path: Path, kind: pa.DataType) -> None:
    """Statistics decide, whatever unit the file's times have."""
    path = tmp_path / "a.parquet"
    hour = timedelta(hours=1)
    times = pa.array([WINDOW.start + hour * (n // 10) for n in range(60)], INSTANT)
    times = times.cast(pa.int64()) if kind == pa.int64() else times.cast(kind)
    pq.write_table(truth().set_column(0, TIME_FIELD, times), path, row_group_size=10)
    spoil(path, [0, 1, 4, 5])
    unit = "us" if kind == pa.int64() else None
    middle = Window(WINDOW.start + hour * 2, WINDOW.start + hour * 4)
    read = source(path, time_unit=unit)
    assert read.count(middle) == table_of(read.read(middle)).num_rows == 20


def test_a_row_group_inside_the_window_is_counted_from_statistics(tmp_path: Path) -> None:
    """Not one page is read, and rows without a time are known from the statistics too."""
    path = tmp_path / "a.parquet"
    pq.write_table(truth(), path, row_group_size=10)
    spoil(path, list(range(6)))
    assert source(path).count(WINDOW) == 60
    assert source(path).count(Window(WINDOW.end, WINDOW.end + TICK)) == 0


def test_statistics_do_not_hide_an_edge(tmp_path: Path) -> None:
    """A group whose last time is the window's end is scanned, as that row is outside."""
    path = tmp_path / "a.parquet"
    times = pa.array([WINDOW.start, WINDOW.end - TICK, WINDOW.end], INSTANT)
    pq.write_table(pa.table({TIME_FIELD: times}), path)
    assert source(path).count(WINDOW) == 2
    assert source(path).count(Window(WINDOW.end, WINDOW.end + TICK)) == 1


def test_finer_times_than_microseconds_stay_in_their_window(tmp_path: Path) -> None:
    """The last nanosecond of a window does not become the next window's first."""
    end = int(WINDOW.end.timestamp()) * 10**9
    times = pa.array([end - 1, end, end + 1], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({TIME_FIELD: times}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text('{"happened_at": "2013-11-03T06:59:59.999999999Z"}\n')
    read = source(tmp_path)
    assert read.count(WINDOW) == 2
    assert table_of(read.read(WINDOW))[TIME_FIELD].to_pylist() == [WINDOW.end - TICK] * 2
    assert read.count(Window(WINDOW.end, WINDOW.end + TICK)) == 2


def test_files_of_different_columns_become_one_schema(tmp_path: Path) -> None:
    """Wider numbers win, missing columns are NULL, and the first file's order stands."""
    time = pa.array([WINDOW.start], INSTANT)
    pq.write_table(pa.table({"n": pa.array([1], pa.int32()), TIME_FIELD: time}), tmp_path / "1.parquet")
    wide = {TIME_FIELD: time.cast(pa.timestamp("ms")), "extra": ["x"], "n": pa.array([2**40])}
    pq.write_table(pa.table(wide), tmp_path / "2.parquet")
    (tmp_path / "3.csv").write_text(f"{TIME_FIELD},n\n2013-11-03T05:00:00Z,3\n")
    (tmp_path / "4.jsonl").write_text(LINE)
    reading = source(tmp_path).read(WINDOW)
    assert reading.schema == pa.schema({"n": pa.int64(), TIME_FIELD: INSTANT, "extra": pa.string()})
    found = table_of(reading)
    assert found["n"].to_pylist() == [1, 2**40, 3, None]
    assert found["extra"].to_pylist() == [None, "x", None, None]


def test_the_schema_is_that_of_all_files_in_every_window(tmp_path: Path) -> None:
    """A column does not come and go with the files that a window happens to need."""
    for number, name in enumerate(("a", "b")):
        times = pa.array([WINDOW.start + timedelta(days=number)], INSTANT)
        pq.write_table(pa.table({TIME_FIELD: times, name: [1]}), tmp_path / f"{name}.parquet")
    assert source(tmp_path).read(WINDOW).schema.names == [TIME_FIELD, "a", "b"]


def test_integers_that_a_double_cannot_hold_are_refused(tmp_path: Path) -> None:
    """Where one file has doubles and another wide integers, nothing is rounded in silence."""
    time = pa.array([WINDOW.start], INSTANT)
    pq.write_table(pa.table({TIME_FIELD: time, "n": [0.5]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({TIME_FIELD: time, "n": [2**53 + 1]}), tmp_path / "2.parquet")
    with pytest.raises(BadData, match=r"Column n of .*2\.parquet"):
        table_of(source(tmp_path).read(WINDOW))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "", "-3"], [1, None, -3]),
        (["1", "1.5", ""], [1.0, 1.5, None]),
        (["true", "False", ""], [True, False, None]),
        (["007", "1", ""], ["007", "1", None]),
        (["+1", "2"], ["+1", "2"]),
        (["12345678901234567", "0.5"], ["12345678901234567", "0.5"]),
        (["9223372036854775808"], ["9223372036854775808"]),
        (["0.12345678901234567890"], ["0.12345678901234567890"]),
        (["1", "true"], ["1", "true"]),
        (["2013-01-01", ""], ["2013-01-01", None]),
        (["nan", "1"], ["nan", "1"]),
        (["NA", "NULL", "null"], ["NA", "NULL", "null"]),
        (["", ""], [None, None]),
        (['""', "x"], ["", "x"]),
        (['"a\nb"', '"c""d"'], ["a\nb", 'c"d']),
    ],
)
def test_csv_values_stay_what_they_say(tmp_path: Path, values: list[str], expected: list[object]) -> None:
    """Numbers only where the text comes back unchanged; only an empty field is NULL."""
    lines = "".join(f"2013-11-03T05:00:00Z,{value}\n" for value in values)
    (tmp_path / "a.csv").write_text(f"{TIME_FIELD},v\n{lines}")
    assert table_of(source(tmp_path).read(WINDOW))["v"].to_pylist() == expected


def test_a_csv_row_longer_than_a_block(tmp_path: Path) -> None:
    """Is read with larger blocks, and the rows before it come once."""
    rows = ["x"] * 30_000 + ["y" * 3_000_000] + ["z"] * 5
    lines = "".join(f"2013-11-03T05:00:00Z,{row}\n" for row in rows)
    (tmp_path / "a.csv").write_text(f"\n{TIME_FIELD},v\n{lines}")
    read = source(tmp_path)
    assert read.count(WINDOW) == len(rows)
    assert table_of(read.read(WINDOW))["v"].to_pylist() == rows


def test_csv_types_are_those_of_the_whole_file(tmp_path: Path) -> None:
    """A value in the last of many blocks counts as much as one in the first."""
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write(f"{TIME_FIELD},v,w\n")
        file.writelines(f"2013-11-03T05:00:00Z,{n},{'x' * 20}\n" for n in range(120_000))
        file.write("2013-11-03T05:00:00Z,0.5,\n")
    read = source(path)
    assert read.count(WINDOW) == 120_001
    assert read.read(WINDOW).schema.field("v").type == pa.float64()
    assert table_of(read.read(WINDOW)).num_rows == 120_001


def test_json_types_are_those_of_the_whole_file(tmp_path: Path) -> None:
    """The same for JSON lines, nested keys that come late included."""
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        file.writelines(LINE.replace("}", f', "v": {n}, "o": {{"a": 1}}}}') for n in range(120_000))
        file.write(LINE.replace("}", ', "v": 0.5, "o": {"b": [null, "x"]}}'))
    found = table_of(source(path).read(WINDOW))
    assert found.num_rows == 120_001
    assert found["v"][-1].as_py() == 0.5
    assert found["o"][-1].as_py() == {"a": None, "b": [None, "x"]}


def test_json_text_stays_text(tmp_path: Path) -> None:
    """What looks like a date is not changed, at any depth; objects without keys are left out."""
    row = {
        "happened_at": "2013-11-03T05:00:00Z",
        "d": "2013-01-01",
        "o": {"d": ["2013-01-01T00:00:00+02:00"]},
    }
    (tmp_path / "a.json").write_text(json.dumps(row | {"nothing": {}, "list": [{}]}) + "\n")
    found = table_of(source(tmp_path).read(WINDOW)).to_pylist()
    assert found == [{"happened_at": WINDOW.start, "d": row["d"], "o": row["o"]}]


def test_declared_types_are_kept(tmp_path: Path) -> None:
    """Where text cannot say it, the configuration does."""
    (tmp_path / "a.csv").write_text(f"{TIME_FIELD},a,b,c,d\n2013-11-03T05:00:00Z,1,1.10,2013-01-01,\n")
    declared = {"a": "string", "b": "decimal(20,2)", "c": "date", "d": "int64"}
    (row,) = table_of(source(tmp_path, columns=declared).read(WINDOW)).to_pylist()
    assert list(row.values())[1:] == ["1", Decimal("1.10"), date(2013, 1, 1), None]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)])
def test_epoch_numbers_in_text_when_declared(tmp_path: Path, unit: str, factor: int) -> None:
    """In CSV and in JSON lines, as number and as text."""
    count = int(WINDOW.start.timestamp()) * factor
    (tmp_path / "a.csv").write_text(f"{TIME_FIELD}\n{count}\n{count + 1}\n{count - 1}\n")
    (tmp_path / "b.jsonl").write_text(f'{{"{TIME_FIELD}": {count}}}\n')
    (tmp_path / "c.jsonl").write_text(f'{{"{TIME_FIELD}": "{count}"}}\n')
    read = source(tmp_path, time_unit=unit)
    assert read.count(WINDOW) == table_of(read.read(WINDOW)).num_rows == 4


def test_iso_text_in_parquet_when_declared(tmp_path: Path) -> None:
    """Statistics of text are not trusted: offsets have no order."""
    texts = ["2013-11-03T00:30:00-05:00", "2013-11-03T05:30:00Z", "2013-11-03T07:00:00Z"]
    pq.write_table(pa.table({TIME_FIELD: texts}), tmp_path / "a.parquet")
    assert source(tmp_path, time_unit="iso").count(WINDOW) == 2


def test_local_times_in_parquet_are_of_the_declared_zone(tmp_path: Path) -> None:
    """Without a declaration they are UTC."""
    times = pa.array([datetime(2013, 7, 1, 1)], pa.timestamp("us"))  # noqa: DTZ001 - local on purpose
    pq.write_table(pa.table({TIME_FIELD: times}), tmp_path / "a.parquet")
    morning = datetime(2013, 7, 1, tzinfo=UTC)
    windows = [Window(morning + timedelta(hours=n), morning + timedelta(hours=n + 1)) for n in (1, 5)]
    assert [source(tmp_path).count(window) for window in windows] == [1, 0]
    new_york = source(tmp_path, time_zone="America/New_York")
    assert [new_york.count(window) for window in windows] == [0, 1]


def test_batches_are_bounded(tmp_path: Path) -> None:
    """No batch is larger than declared, in any format."""
    pq.write_table(truth(rows=100), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text(LINE * 100)
    (tmp_path / "c.csv").write_text(f"{TIME_FIELD}\n" + "2013-11-03T05:00:00Z\n" * 100)
    batches = list(source(tmp_path, batch_rows=30).read(WINDOW).batches)
    assert max(batch.num_rows for batch in batches) == 30
    assert sum(batch.num_rows for batch in batches) == 300


def test_one_huge_row_group_does_not_come_at_once(tmp_path: Path) -> None:
    """Arrow holds a few batches of it at a time, however long the group is."""
    numbers = pa.array(range(1_000_000))
    times = pa.array([WINDOW.start] * 1_000_000, INSTANT)
    columns = {f"n{place}": numbers for place in range(6)}
    pq.write_table(pa.table({TIME_FIELD: times, **columns}), tmp_path / "a.parquet", row_group_size=1_000_000)
    del numbers, times, columns
    held, reading = pa.total_allocated_bytes(), source(tmp_path / "a.parquet").read(WINDOW)
    peak = max(pa.total_allocated_bytes() - held for _ in reading.batches)
    assert reading.count == 1_000_000
    assert peak < 30 * 1024**2


def test_a_header_alone_is_a_file_of_no_rows(tmp_path: Path) -> None:
    """Zero rows, with columns."""
    (tmp_path / "a.csv").write_text(f"{TIME_FIELD},n\n")
    reading = source(tmp_path).read(WINDOW)
    assert (reading.count, reading.schema.names) == (0, [TIME_FIELD, "n"])


def test_a_mark_of_utf8_is_no_part_of_a_name(tmp_path: Path) -> None:
    """Files from spreadsheets begin with one."""
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + f"{TIME_FIELD}\r\n2013-11-03T05:00:00Z\r\n".encode())
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + LINE.encode())
    assert source(tmp_path).count(WINDOW) == 2


def test_a_time_zone_is_an_iana_name() -> None:
    """A path is no zone."""
    with pytest.raises(Misuse, match="time_zone"):
        FilesSource("x", "t", time_zone="../etc/passwd")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["x"]).dictionary_encode(), pa.string()),
        (pa.array(["x"], pa.large_string()), pa.string()),
        (pa.array(["x"], pa.string_view()), pa.string()),
        (pa.array([b"x"], pa.large_binary()), pa.binary()),
        (pa.array([["x"]], pa.large_list(pa.large_string())), pa.list_(pa.string())),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), pa.list_(pa.int64())),
        (pa.array([{"a": 1}], pa.struct({"a": pa.timestamp("ns")})), pa.struct({"a": pa.timestamp("us")})),
        (pa.array([[("k", 1)]], pa.map_(pa.large_string(), pa.int8())), pa.map_(pa.string(), pa.int8())),
        (pa.array([1], pa.timestamp("s", "Asia/Tokyo")), pa.timestamp("us", "UTC")),
        (pa.array([-1], pa.timestamp("ns")), pa.timestamp("us")),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_layouts_of_a_type_come_out_as_one(tmp_path: Path, values: pa.Array, kind: pa.DataType) -> None:
    """How a writer laid its values out is not what they are; times are UTC or local microseconds."""
    time = pa.array([WINDOW.start], INSTANT)
    pq.write_table(pa.table({TIME_FIELD: time, "v": values}), tmp_path / "a.parquet")
    found = table_of(source(tmp_path).read(WINDOW))
    assert found.schema.field("v").type == kind
    if values.type != pa.timestamp("ns"):
        assert found["v"].to_pylist() == values.cast(kind, safe=False).to_pylist()
    else:
        assert found["v"].to_pylist() == [datetime(1969, 12, 31, 23, 59, 59, 999999)]  # noqa: DTZ001 - local


def test_every_field_of_any_line_is_a_column(tmp_path: Path) -> None:
    """However late and deep in the file, beyond the first block too; an object that stays empty is none."""
    plain = LINE * 120_000  # more than a block
    lines = [
        plain,
        LINE.replace("}", ', "a": {"b": 1}, "e": {}}'),
        LINE.replace("}", ', "a": {"c": [{"d": "x"}]}}'),
    ]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    table = table_of(source(tmp_path / "a.jsonl").read(WINDOW))
    assert table.schema.names == [TIME_FIELD, "a"]
    assert table["a"].to_pylist()[-2:] == [{"b": 1, "c": None}, {"b": None, "c": [{"d": "x"}]}]

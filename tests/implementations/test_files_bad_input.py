"""Whatever is wrong with files ends in one sentence that names the file, what is wrong and the remedy."""

import gzip
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from implementations.files import FilesSource
from pipeline_framework.errors import BadData, Misuse, PipelineError, Unavailable
from pipeline_framework.testing.truth import TIME_FIELD, WINDOW, truth
from pipeline_framework.windows import Window


def source(path: Path, **settings: Any) -> FilesSource:
    return FilesSource(str(path), settings.pop("time_field", TIME_FIELD), **settings)


def refusal(read: FilesSource, kind: type[PipelineError] = BadData) -> str:
    """The sentence with which count and read refuse alike."""
    said = []
    for ask in (read.count, lambda window: list(read.read(window).batches)):
        with pytest.raises(kind) as raised:
            ask(WINDOW)
        said.append(str(raised.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    return said[0]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "a.parquet"
    pq.write_table(truth(), path)
    return path


@pytest.mark.parametrize("name", ["*.parquet", "none.csv", "a/**/*.jsonl", ""])
def test_no_file_matches(tmp_path: Path, name: str) -> None:
    """A pattern, a file or a folder without files names the key and the path."""
    said = refusal(source(tmp_path / name), Misuse)
    assert "source.path" in said
    assert str(tmp_path / name) in said


def test_an_unknown_ending_asks_for_the_format(tmp_path: Path) -> None:
    """The format is never guessed from the content."""
    (tmp_path / "a.data").write_text("x")
    assert "`source.format`" in refusal(source(tmp_path / "a.data"), Misuse)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_an_empty_file_is_no_empty_window(tmp_path: Path, name: str) -> None:
    """0 bytes are a broken export, not zero rows."""
    (tmp_path / name).touch()
    said = refusal(source(tmp_path / name))
    assert "empty" in said
    assert name in said


@pytest.mark.parametrize("keep", [4, -100])
def test_corrupt_parquet(parquet: Path, keep: int) -> None:
    """Cut off anywhere, the file is named."""
    parquet.write_bytes(parquet.read_bytes()[:keep])
    assert str(parquet) in refusal(source(parquet))


def test_corrupt_parquet_page(parquet: Path) -> None:
    """A page that was overwritten is found when it is read."""
    content = bytearray(parquet.read_bytes())
    content[4:2000] = b"\xff" * 1996
    parquet.write_bytes(content)
    with pytest.raises(BadData, match=r"a\.parquet"):
        list(source(parquet).read(WINDOW).batches)


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl.gz"])
def test_a_cut_off_archive(tmp_path: Path, ending: str) -> None:
    """Half a .gz is not half the rows."""
    path = tmp_path / f"a.{ending}"
    lines = "".join(f'{{"{TIME_FIELD}": "2013-11-03T05:00:00Z", "n": {n * n}}}\n' for n in range(1000))
    path.write_bytes(gzip.compress(lines.encode())[:-20])
    assert str(path) in refusal(source(path, format="jsonl"))
    path.write_bytes(b"this is no archive")
    assert str(path) in refusal(source(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "happened_att,n\n2013-11-03T05:00:00Z,1\n"), ("a.jsonl", '{"happened_att": "2013-11-03"}\n')],
)
def test_a_missing_time_field_names_the_nearest_column(tmp_path: Path, name: str, content: str) -> None:
    """A slip of the pen is shown."""
    (tmp_path / name).write_text(content)
    said = refusal(source(tmp_path / name))
    assert "nearest is happened_att" in said
    assert "source.time_field" in said


def test_a_missing_time_field_in_parquet(parquet: Path) -> None:
    """The same for Parquet."""
    assert "nearest is happened_at" in refusal(source(parquet, time_field="happend_at"))


@pytest.mark.parametrize(
    ("column", "kind"), [("text", "string"), ("number", "int64"), ("ratio", "double"), ("flag", "bool")]
)
def test_a_time_field_of_another_type(parquet: Path, column: str, kind: str) -> None:
    """Numbers and text are no times unless somebody says what they mean."""
    said = refusal(source(parquet, time_field=column))
    assert f"{column} of {parquet} is {kind}" in said
    assert ("time_unit" in said) == (kind != "bool")


def test_numbers_in_json_need_a_unit(tmp_path: Path) -> None:
    """Epoch seconds and milliseconds look alike."""
    (tmp_path / "a.jsonl").write_text('{"happened_at": 1383454800}\n')
    assert "time_unit" in refusal(source(tmp_path / "a.jsonl"))


@pytest.mark.parametrize("text", ["soon", "1383454800", "03/11/2013", "2013-13-01T00:00:00Z"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_text_that_is_no_time(tmp_path: Path, name: str, text: str) -> None:
    """The value is shown, with its file."""
    line = f"{TIME_FIELD}\n{text}\n" if name == "a.csv" else f'{{"{TIME_FIELD}": "{text}"}}\n'
    (tmp_path / name).write_text(line)
    said = refusal(source(tmp_path / name))
    assert str(tmp_path / name) in said
    assert text in said


def test_rows_without_time_may_be_ignored(tmp_path: Path) -> None:
    """By declaration, they belong to no window and the others are read."""
    table = truth().set_column(
        0, TIME_FIELD, pa.array([None] * 5 + [WINDOW.start] * 55, pa.timestamp("us", "UTC"))
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    assert "5 rows" in refusal(source(tmp_path / "a.parquet"))
    ignoring = source(tmp_path / "a.parquet", null_time="ignore")
    assert ignoring.count(WINDOW) == sum(batch.num_rows for batch in ignoring.read(WINDOW).batches) == 55


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"happened_at": "2013-11-03T05:00:00Z"}\n{broken\n', "line 2"),
        ('{"happened_at": "2013-11-03T05:00:00Z"}\n\n\n[1]\n', "line 4"),
        (
            '{"happened_at": "2013-11-03T05:00:00Z", "n": 1}\n{"happened_at": null, "n": "x"}\n',
            "lines 1 to 2",
        ),
    ],
)
def test_malformed_json_lines(tmp_path: Path, content: str, line: str) -> None:
    """The line is named."""
    (tmp_path / "a.jsonl").write_text(content)
    said = refusal(source(tmp_path / "a.jsonl"))
    assert str(tmp_path / "a.jsonl") in said
    assert line in said


@pytest.mark.parametrize(
    "value", ["18446744073709551615", "[-9223372036854775809]", '{"a": [1e5, 10000000000000000000]}']
)
def test_wide_integers_in_json_are_not_rounded(tmp_path: Path, value: str) -> None:
    """Where a double would lose digits, the line and the way to declare it are named, at any depth."""
    lines = [f'{{"happened_at": "2013-11-03T05:00:00Z", "n": {value}, "m": "{2**70}", "o": {2**63 - 1}}}\n']
    (tmp_path / "a.jsonl").write_text("".join(["\n", *lines]))
    said = refusal(source(tmp_path / "a.jsonl"))
    assert "line 2" in said
    assert "source.columns.n" in said


def test_wide_integers_in_json_by_declaration(tmp_path: Path) -> None:
    """Every digit arrives."""
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"happened_at": "2013-11-03T05:00:00Z", "n": {2**64 - 1}}}\n')
    read = source(path, columns={"n": "uint64"}).read(WINDOW)
    assert [batch.column("n").to_pylist() for batch in read.batches] == [[2**64 - 1]]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"happened_at,n\n2013-11-03T05:00:00Z,1\n2013-11-03T05:00:00Z\n", "Expected 2 columns, got 1"),
        (b"happened_at,n\n2013-11-03T05:00:00Z,\xff\xfe\n", "UTF"),
        (b"happened_at,n,n\n2013-11-03T05:00:00Z,1,2\n", "n twice"),
    ],
)
def test_malformed_csv(tmp_path: Path, content: bytes, shown: str) -> None:
    """The file and what is wrong with it."""
    (tmp_path / "a.csv").write_bytes(content)
    said = refusal(source(tmp_path / "a.csv"))
    assert str(tmp_path / "a.csv") in said
    assert shown in said


def test_columns_of_types_that_do_not_meet(tmp_path: Path) -> None:
    """Both files and the column are named, and a declaration helps."""
    first, second = truth(), truth().drop_columns("number").append_column("number", truth()["text"])
    pq.write_table(first, tmp_path / "1.parquet")
    pq.write_table(second, tmp_path / "2.parquet")
    with pytest.raises(BadData) as raised:
        source(tmp_path).read(WINDOW)
    assert all(
        word in str(raised.value) for word in ("1.parquet", "2.parquet", "Column number", "int64", "string")
    )
    reading = source(tmp_path, columns={"number": "string"}).read(WINDOW)
    assert sum(batch.num_rows for batch in reading.batches) == 120


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"time_zone": "Mars/Olympus"}, "time_zone"), ({"columns": {"n": "wide"}}, "source.columns.n")],
)
def test_settings_are_judged_before_any_file_is_read(
    tmp_path: Path, settings: dict[str, Any], key: str
) -> None:
    """A slip in the configuration is a slip in the configuration."""
    with pytest.raises(Misuse, match=key):
        source(tmp_path, **settings)


def test_a_file_without_permission(others_folder: Path, unprivileged: None) -> None:
    """The file is named, not passed over."""
    path = others_folder / "a.csv"
    assert str(path) in refusal(source(path), Misuse)
    assert str(path) in refusal(source(others_folder / "*.csv"), Misuse)


@pytest.mark.parametrize("pattern", ["", "*/*.csv", "**/*.csv", "closed", "closed/b.csv", "closed/*.csv"])
def test_a_folder_without_permission(others_folder: Path, unprivileged: None, pattern: str) -> None:
    """What a pattern may not look into could hold rows of the window."""
    said = refusal(source(others_folder / pattern, format="csv"), Misuse)
    assert "No permission" in said


def test_folders_above_need_not_be_listed(others_folder: Path, unprivileged: None) -> None:
    """To pass through a folder is enough to reach what may be read below it."""
    assert source(others_folder / "passage" / "open" / "*.csv").count(WINDOW) == 1


def test_a_file_that_vanishes_between_count_and_read(parquet: Path) -> None:
    """Worth another try, as an exporter may be at work."""
    reading = source(parquet).read(WINDOW)
    parquet.unlink()
    with pytest.raises(Unavailable, match=str(parquet)):
        list(reading.batches)


def test_a_file_that_changes_between_count_and_read(parquet: Path) -> None:
    """The count and the rows of a reading are of one snapshot, or of none."""
    reading = source(parquet).read(WINDOW)
    pq.write_table(truth(rows=90), parquet)
    with pytest.raises(Unavailable, match="changed"):
        list(reading.batches)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Also behind the first batch."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"happened_at": "2013-11-03T05:00:00Z"}\n')
    batches = source(path).read(WINDOW).batches
    assert next(batches).num_rows == 1
    with path.open("a") as file:
        file.write('{"happened_at": "2013-11-03T05:00:00Z"}\n')
    with pytest.raises(Unavailable, match="changed"):
        list(batches)


def test_a_change_that_a_file_system_does_not_show(tmp_path: Path) -> None:
    """Of the same size and time, but with other rows: the count says so."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"happened_at": "2013-11-03T05:00:00Z"}\n' * 2)
    before, reading = path.stat(), source(path).read(WINDOW)
    path.write_text(path.read_text().replace("2013", "2014", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Unavailable, match="1 rows where 2 were counted"):
        list(reading.batches)


def test_local_times_that_mean_two_instants_are_refused_by_count_too(tmp_path: Path) -> None:
    """Statistics would pass over a repeated hour between the first time and the last."""
    times = [datetime(2013, 11, 3, hour, 30) for hour in (0, 1, 3)]  # noqa: DTZ001 - local on purpose
    pq.write_table(pa.table({TIME_FIELD: pa.array(times, pa.timestamp("us"))}), tmp_path / "a.parquet")
    day = Window(WINDOW.start - timedelta(days=1), WINDOW.end + timedelta(days=1))
    read = source(tmp_path, time_zone="America/New_York")
    for ask in (read.count, lambda window: list(read.read(window).batches)):
        with pytest.raises(BadData, match="ambiguous_time"):
            ask(day)


def test_a_changed_file_is_read_anew(parquet: Path) -> None:
    """What is kept of a file's footer does not outlive its content."""
    assert source(parquet).count(WINDOW) == 60
    pq.write_table(truth(rows=90), parquet)
    assert source(parquet).count(WINDOW) == 90

"""What can be wrong with files: one sentence each with file, line or column and remedy; nothing is loaded."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from implementations.reading import csv_files
from tests.cli.conftest import FIRST, Bound
from tests.cli.mistakes import FILES, Mistake, pipeline, require_empty, require_moved_again, require_told

TIMES = [f"2013-03-09T05:{minute:02}:00Z" for minute in range(2)]
HUGE = 20_000_000  # letters of a value
NO_MATCH = "No file matches `source.path`: {folder}/%s. Correct the path, or put the files there."


def table(**columns: object) -> pa.Table:
    """One row in the window."""
    return pa.table({"time_hour": pa.array([FIRST], pa.timestamp("us", "UTC")), **columns})


def comma(*lines: str) -> bytes:
    """CSV of those rows."""
    return "\n".join(["time_hour,n", *lines, ""]).encode("latin-1")


def lines(*values: str) -> bytes:
    """JSON lines with those values of n."""
    return "".join(f'{{"time_hour": "{TIMES[0]}", "n": {value}}}\n' for value in values).encode("latin-1")


def write(file: Path, content: bytes | pa.Table) -> None:
    """A file of that content."""
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        pq.write_table(content, file)


PLACES = {
    "a pattern that matches nothing": Mistake({"path": "dta/*.csv"}, NO_MATCH % "dta/*.csv"),
    "a file that is not there": Mistake({"path": "data/1.parquet"}, NO_MATCH % "data/1.parquet"),
    "a folder in a file's place": Mistake({"path": "data/folder.csv"}, NO_MATCH % "data/folder.csv"),
    "a path below a file": Mistake({"path": "pipeline.yml/a.csv"}, NO_MATCH % "pipeline.yml/a.csv"),
    "a name that tells no format": Mistake(
        {"path": "pipeline.yml"},
        "The name of {folder}/pipeline.yml tells no format: declare `source.format` as parquet, csv or "
        "jsonl.",
    ),
    "a link to nothing": Mistake(
        {"path": "data/gone*"},
        "{folder}/data/gone.csv is a link to nowhere.csv, which is not there: make it, or remove the link.",
        1,
    ),
    "a link to itself": Mistake(
        {"path": "data/loop*"},
        "{folder}/data/loop.csv cannot be looked at (Too many levels of symbolic links): mend it, or change "
        "`source.path`.",
        1,
    ),
    "a name that is too long": Mistake(
        {"path": f"data/{'a' * 300}.csv"},
        f"{{folder}}/data/{'a' * 300}.csv cannot be looked at (File name too long): mend it, or change "
        "`source.path`.",
        1,
    ),
}


@pytest.mark.parametrize("what", PLACES)
def test_a_path_says_what_is_wrong_with_it(what: str, tmp_path: Path) -> None:
    """The whole path and the key."""
    mistaken = pipeline(tmp_path, source=FILES | PLACES[what].keys)
    (tmp_path / "data" / "folder.csv").mkdir()
    (tmp_path / "data" / "gone.csv").symlink_to("nowhere.csv")
    (tmp_path / "data" / "loop.csv").symlink_to("loop.csv")
    require_told(mistaken, PLACES[what], folder=tmp_path)
    assert not (tmp_path / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    ("closed", "told"), [("data/0.parquet", "data/0.parquet"), ("data", "data/*.parquet")]
)
def test_what_may_not_be_read_is_told(closed: str, told: str, tmp_path: Path) -> None:
    """A file, and a folder that a pattern cannot look into."""
    pipeline(tmp_path)
    (tmp_path / closed).chmod(0)
    said = "No permission to read {place}: give this user the right, or change `source.path`."
    require_told(Bound(tmp_path), Mistake({}, said), place=tmp_path / told)
    (tmp_path / closed).chmod(0o700)


NO_PARQUET = "{file} is no readable Parquet file (%s): write it again."
NO_FOOTER = (
    "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file"
)
NO_CSV = "{file} is no well-formed CSV: %s"
NO_JSON = "{file}, line 2, is no JSON object in UTF-8: %s. Correct or remove it."
NO_COLUMN = "{file} has no column time_hour; the nearest is %s. Correct `source.time_field`."
NO_TIME = (
    "The time field time_hour of {file} is int64, not a timestamp: declare `source.time_unit` (s, ms, us or "
    "ns) if it counts from 1970, or name another `source.time_field`."
)
BAD_TIME = (
    "The time field time_hour of {file} holds what is no time: Failed to parse string: 'soon' as a scalar of "
    "type timestamp[us]. Correct the file, or `source.time_zone`, `source.time_unit` or "
    "`source.ambiguous_time`."
)
TIMELESS = (
    "1 rows of {file} have no time_hour, so they belong to no window: give them a time, or leave them out "
    "with `source.null_time: ignore`."
)
CUT_OFF = (
    "{file} cannot be read to its end (Compressed file ended before the end-of-stream marker was reached): "
    "write it again."
)
TWO_TYPES = (
    "{file}, lines 1 to 2: JSON parse error: Column(/n) changed from number to string in row 1. Correct "
    "them, or declare `source.columns`."
)
NO_UTF8 = (
    "In CSV column #1: Row #2: CSV conversion error to string: invalid UTF8 data. Save the file as UTF-8."
)
TOO_LARGE = (
    "straddling object straddles two block boundaries (try to increase block size?). A row may have 1 MB: "
    "close the quotes of its values, or shorten it."
)
OPEN_QUOTES = "{file} ends within quotes: close them, or write the file again."
CONTENTS: dict[str, tuple[str, bytes | pa.Table, str]] = {
    "no bytes": ("csv", b"", "{file} is empty (0 bytes): remove it, or write it again."),
    "no Parquet": ("parquet", comma(f"{TIMES[0]},1"), NO_PARQUET % NO_FOOTER),
    "Parquet with text in no UTF-8": (
        "parquet",
        table(n=pa.array([b"\xfc"]).view(pa.string())),
        NO_PARQUET % "In column 1: Invalid: Invalid UTF8 sequence at string index 0",
    ),
    "Parquet without the time": ("parquet", pa.table({"time": [1]}), NO_COLUMN % "time"),
    "Parquet with a number as time": ("parquet", pa.table({"time_hour": [1]}), NO_TIME),
    "Parquet without one time": (
        "parquet",
        pa.table({"time_hour": pa.nulls(1, pa.timestamp("us"))}),
        TIMELESS,
    ),
    "CSV with a row too long": (
        "csv",
        comma(f"{TIMES[0]},1", f"{TIMES[1]},2,3"),
        NO_CSV % f"CSV parse error: Row #3: Expected 2 columns, got 3: {TIMES[1]},2,3. Correct that row.",
    ),
    "CSV in no UTF-8": ("csv", comma(f"{TIMES[0]},\xfc"), NO_CSV % NO_UTF8),
    "CSV with a name in no UTF-8": (
        "csv",
        b"time_hour,\xfc\n",
        NO_CSV % "'utf-8' codec can't decode byte 0xfc in position 10: invalid start byte. Save the file as "
        "UTF-8.",
    ),
    "CSV with a name too long": (
        "csv",
        b"time_hour," + b"n" * 131_073 + b"\n",
        NO_CSV % "field larger than field limit (131072). Correct that row.",
    ),
    "CSV within quotes": ("csv", comma(f'{TIMES[0]},"1', f"{TIMES[1]},2"), OPEN_QUOTES),
    "CSV with other separators": ("csv", b"time_hour;n\n", NO_COLUMN % "time_hour;n"),
    "CSV with text as time": ("csv", comma("soon,1"), BAD_TIME),
    "CSV without one time": ("csv", comma(",1"), TIMELESS),
    "an archive cut off": (
        "csv.gz",
        gzip.compress(comma(f"{TIMES[0]},1"))[:-9],
        CUT_OFF,
    ),
    "JSON cut off": ("jsonl", lines("1") + b'{"time', NO_JSON % "'{{\"time'"),
    "JSON in no UTF-8": (
        "jsonl",
        lines('"a"', '"\xfc"'),
        NO_JSON % f'\'{{{{"time_hour": "{TIMES[0]}", "n": "\N{REPLACEMENT CHARACTER}"}}}}\'',
    ),
    "JSON in two types": (
        "jsonl",
        lines("1", '"x"'),
        TWO_TYPES,
    ),
    "JSON with a number as time": ("jsonl", b'{"time_hour": 1362805200}\n', NO_TIME),
    "JSON without the time": ("jsonl", b'{"time": 1}\n', NO_COLUMN % "time"),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_a_file_says_what_is_wrong_with_it(what: str, tmp_path: Path) -> None:
    """The file and the place in it; what is in columns that `check` does not read shows when rows move."""
    ending, content, said = CONTENTS[what]
    file = tmp_path / "data" / f"1.{ending}"
    mistaken = pipeline(tmp_path, source=FILES | {"path": f"data/1.{ending}"})
    write(file, content)
    require_told(mistaken, Mistake({}, said, 1, checked="text in no UTF-8" not in what), file=file)
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_parquet_that_is_cut_off_is_told(tmp_path: Path) -> None:
    """Its end says what is in it."""
    mistaken = pipeline(tmp_path)
    file = tmp_path / "data" / "0.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    require_told(mistaken, Mistake({}, NO_PARQUET % NO_FOOTER, 1), file=file)


def test_files_that_disagree_on_a_column_are_both_told(tmp_path: Path) -> None:
    """With the two types and the key that settles it."""
    mistaken = pipeline(tmp_path)
    pq.write_table(table(n=["x"]), tmp_path / "data" / "1.parquet")
    said = (
        "Column n is int64 in {data}/0.parquet and string in {data}/1.parquet: write them alike, or declare "
        "`source.columns.n`."
    )
    require_told(mistaken, Mistake({}, said, 1), data=tmp_path / "data")


def test_a_row_of_csv_that_is_too_large_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a quote that is not closed makes one of many."""
    monkeypatch.setattr(csv_files, "BLOCKS", (2**20,))
    mistaken = pipeline(tmp_path, source=FILES | {"path": "data/1.csv"})
    file = tmp_path / "data" / "1.csv"
    file.write_bytes(comma(f'{TIMES[0]},"{"x" * HUGE}"'))
    require_told(mistaken, Mistake({}, NO_CSV % TOO_LARGE, 1), file=file)


NOTHING = {"parquet": table(n=["x"]).slice(1), "csv": comma(), "jsonl": lines("1").replace(b"05:", b"04:")}
ONE_ROW: dict[str, Callable[[str], bytes | pa.Table]] = {
    "parquet": lambda word: table(n=[word]),
    "csv": lambda word: comma(f"{TIMES[0]},{word}"),
    "jsonl": lambda word: lines(f'"{word}"'),
}


@pytest.mark.parametrize("ending", NOTHING)
def test_files_without_rows_are_empty_and_one_huge_row_is_moved(ending: str, tmp_path: Path) -> None:
    """Neither is a mistake."""
    moving = pipeline(tmp_path, source=FILES | {"path": f"data/1.{ending}"})
    file = tmp_path / "data" / f"1.{ending}"
    write(file, NOTHING[ending])
    require_empty(moving)
    write(file, ONE_ROW[ending]("x" * HUGE))
    require_moved_again(moving)
    assert moving.target("SELECT length(n) FROM flights") == [HUGE]

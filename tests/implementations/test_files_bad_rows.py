"""Rows of text files that do not fit are put aside in the window of their time, and the others are read."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from implementations.files import FilesSource
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Reading
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.windows import Window

FIRST = datetime(2013, 1, 1, tzinfo=UTC)
WINDOWS = [
    Window(FIRST + hour * timedelta(hours=1), FIRST + (hour + 1) * timedelta(hours=1)) for hour in (0, 1)
]


def lines(kind: str, rows: list[tuple[int, Any]]) -> str:
    """Rows of a minute and a value `n`."""
    times = [(FIRST + minute * timedelta(minutes=1)).isoformat() for minute, _ in rows]
    values = [value for _, value in rows]
    if kind == "csv":
        return "at,n,text\n" + "".join(f'{at},{n},"a, b"\n' for at, n in zip(times, values, strict=True))
    objects = ({"at": at, "n": n, "text": "a, b"} for at, n in zip(times, values, strict=True))
    return "".join(json.dumps(each) + "\n" for each in objects)


def source(path: Path, kind: str, rows: list[tuple[int, Any]], **columns: str) -> FilesSource:
    """A source of one file with these rows, whose `n` is an int64."""
    file = path / f"rows.{kind}"
    file.write_text(lines(kind, rows))
    return FilesSource(str(file), "at", columns={"n": "int64", **columns})


def letters(reading: Reading) -> list[dict[str, str]]:
    """What a reading has put aside."""
    return [json.loads(line) for text, _ in reading.tally.letters.files(10**6) for line in text.splitlines()]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_row_that_does_not_fit_is_put_aside_in_its_window(tmp_path: Path, kind: str) -> None:
    """As it was written, with file, line and reason; counted with the others, which are read."""
    rows = [(0, 1), (1, "x"), (59, 3), (60, 4), (61, 5.5), (62, 6)]
    files = source(tmp_path, kind, rows)
    for window, numbers, bad, place in zip(WINDOWS, [[1, 3], [4, 6]], ["x", 5.5], [2, 5], strict=True):
        reading = files.read(window)
        assert sorted(table_of(reading)["n"].to_pylist()) == numbers
        assert files.count(window) == reading.count == 3
        (letter,) = letters(reading)
        assert letter["document"] == lines(kind, [rows[place - 1]]).splitlines()[-1]
        assert letter["place"] == f"{tmp_path}/rows.{kind}, {'row' if kind == 'csv' else 'line'} {place}"
        assert "n" in letter["reason"]
        assert str(bad) in letter["document"]


@given(st.data(), st.sampled_from(["csv", "jsonl"]))
def test_each_row_goes_one_way(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str
) -> None:
    """Whatever is bad, and wherever it stands: what fits is read in order, the rest is put aside."""
    rows = data.draw(
        st.lists(
            st.tuples(st.integers(0, 119), st.sampled_from([1, 2**63 - 1, "x", 1.5, 2**63])), max_size=30
        )
    )
    files = source(tmp_path_factory.mktemp("rows"), kind, rows or [(0, 1)])
    rows = rows or [(0, 1)]
    for window, minutes in zip(WINDOWS, (range(60), range(60, 120)), strict=True):
        mine = [value for minute, value in rows if minute in minutes]
        reading = files.read(window)
        assert table_of(reading)["n"].to_pylist() == [value for value in mine if value in {1, 2**63 - 1}]
        assert (
            len(letters(reading)) == reading.tally.bad == sum(value not in {1, 2**63 - 1} for value in mine)
        )
        assert reading.count == len(mine)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_many_bad_rows_in_a_large_file(tmp_path: Path, kind: str) -> None:
    """Several blocks, with bad rows in the first and the last of them."""
    rows = [(number % 60, "x" if number % 25_000 == 7 else number) for number in range(150_000)]
    reading = source(tmp_path, kind, rows).read(WINDOWS[0])
    assert table_of(reading)["n"].to_pylist() == [value for _, value in rows if value != "x"]
    unit = "row" if kind == "csv" else "line"
    places = [letter["place"].rpartition(f"{unit} ")[2] for letter in letters(reading)]
    assert list(map(int, places)) == [number + 8 for number in range(0, 150_000, 25_000)]


@pytest.mark.parametrize("text", ['{"at": "2013-01-01T00:00:00Z", "n": 1}\n{"at": "20', '[1]\n{"n": 1}\n'])
def test_what_has_no_time_belongs_to_no_window(tmp_path: Path, text: str) -> None:
    """A broken line fails every window, as a row without a time does."""
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(BadData, match="is no JSON object"):
        FilesSource(str(tmp_path / "rows.jsonl"), "at", columns={"n": "int64"}).count(WINDOWS[0])


def test_undeclared_types_that_disagree_are_no_bad_rows(tmp_path: Path) -> None:
    """Nobody said which of them is right."""
    (tmp_path / "rows.jsonl").write_text(lines("jsonl", [(0, 1), (1, "x")]))
    with pytest.raises(BadData, match=r"declare `source.columns`"):
        FilesSource(str(tmp_path / "rows.jsonl"), "at").read(WINDOWS[0])

"""A CSV file that ends where it should not is refused; how its last line ends does not matter."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implementations.reading import csv_files
from implementations.reading.folders import files_of
from pipeline_framework.errors import BadData

VALUES = st.text(alphabet='a",\n ', min_size=1, max_size=5)
DECLARED = (("one", pa.string()), ("two", pa.string()))


def rows_of(folder: Path, content: bytes) -> list[list[str]]:
    """The rows of a file with that content, NULL as Python has it."""
    (folder / "a.csv").write_bytes(content)
    (file,) = files_of(str(folder / "a.csv"), None)
    columns = csv_files.schema(file, DECLARED)
    rows = (row for batch in csv_files.batches(file, columns) for row in batch.to_pylist())
    return [[value or "" for value in row.values()] for row in rows]


@given(values=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=3), data=st.data())
def test_a_file_that_was_cut_is_read_as_python_reads_it_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Within quotes, or within a row, nothing of it is taken."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("one", "two"), *values])
    cut = text.getvalue()[: data.draw(st.integers(len("one,two"), len(text.getvalue())))]
    folder = tmp_path_factory.mktemp("cut")
    try:
        _, *wanted = filter(None, csv.reader(io.StringIO(cut, newline=""), strict=True))
        whole = all(len(row) == 2 for row in wanted)
    except csv.Error:
        whole = False
    if whole:
        assert rows_of(folder, cut.encode()) == wanted
    else:
        with pytest.raises(BadData):
            rows_of(folder, cut.encode())


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_the_last_line_may_end_in_any_way(end: str, tmp_path: Path) -> None:
    """Also that of the names, in a file without rows."""
    assert rows_of(tmp_path, f"one,two{end}".encode()) == []
    assert rows_of(tmp_path, f'one,two\n1,"2"{end}'.encode()) == [["1", "2"]]

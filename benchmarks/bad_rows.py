"""Rows that do not fit: what the way for them costs a window that has none, and the memory of many.

Clean: a file to the stage through a cast that every value passes, against the same without transforms.
Bad: peak memory of a window whose rows are all put aside, against that of a tenth of it.
"""

import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from _rows import DAY, compare, day_file, lock_of

from implementations.files import FilesSource
from implementations.object_store.local import LocalStage
from implementations.transforms.casts import Cast
from implementations.transforms.columns import Constants
from pipeline_framework.interfaces import Source, Target
from pipeline_framework.transfers import StreamedTransfer


def staged(path: Path, root: Path, cast: dict[str, str], tolerated: int) -> None:
    """A day of a file in the stage, through a cast."""
    source: Source = FilesSource(str(path), "time")
    nowhere: Target = None  # type: ignore[assignment]  # nothing is loaded
    transforms = [Constants({"origin": "x"}), Cast(cast)]
    transfer = StreamedTransfer(source, LocalStage(str(root)), nowhere, transforms, lambda _: tolerated)
    transfer.source_to_stage(lock_of(1))


def clean(folder: Path, rows: int) -> None:
    path, root = day_file(folder, rows, rows), folder / "stage"

    def ours() -> None:
        rmtree(root, ignore_errors=True)
        staged(path, root, {"small": "int16"}, 1)

    def without() -> None:
        rmtree(root, ignore_errors=True)
        LocalStage(str(root)).write(lock_of(1), FilesSource(str(path), "time").read(DAY))

    took, theirs, ratio = compare(ours, without, 5)
    print(f"clean {rows:,} rows: {took:.2f} s, without casts and letters {theirs:.2f} s, ratio {ratio:.2f}")


def all_bad(folder: Path, rows: int) -> int:
    """Peak memory in MB of a process that puts every row aside."""
    path = day_file(folder, rows, rows)
    command = [sys.executable, __file__, "--peak", str(path), str(folder / f"bad-{rows}")]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak(path: Path, root: Path) -> None:
    import resource

    rows = pq.read_metadata(path).num_rows
    staged(path, root, {"name": "int64"}, rows)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main(rows: int) -> None:
    with TemporaryDirectory() as name:
        clean(Path(name), rows)
        few, many = (all_bad(Path(name), each) for each in (rows // 50, rows // 5))
        print(
            f"all bad: {few} MB for {rows // 50:,} rows, {many} MB for {rows // 5:,}, {many / few:.2f} times"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        peak(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)

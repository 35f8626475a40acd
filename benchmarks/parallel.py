"""Two slots of one run against one, through everything: files, local stage, DuckDB, control table, audit.

A day of so many rows in eight windows of three hours. Reference: the same run with one slot. How much two
slots gain depends on the cores that are free; the machine's own word on that is told beside it, as the gain
of two threads over one at compressing the same bytes twice.
"""

import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from _rows import compare, day_file

from pipeline_framework.config import load_final_config
from pipeline_framework.operations.run import prepare, run_side_by_side
from pipeline_framework.pipeline import opened

CONFIG = """\
pipeline_id: parallel
granularity: 3h
start: "2013-01-01T00:00:00Z"
end: "2013-01-02T00:00:00Z"
control: {{url: "sqlite:///control.db"}}
source: {{type: files, path: "{data}", time_field: time}}
stage: {{type: local, path: stage}}
target: {{type: duckdb, path: warehouse.duckdb, table: rows, time_field: time}}
"""
WINDOWS, NOW = 8, datetime(2020, 1, 1, tzinfo=UTC)


def main(rows: int) -> None:
    with TemporaryDirectory() as name:
        data = day_file(Path(name), rows, rows // 32)

        def run(slots: int) -> Callable[[], None]:
            return lambda: caught_up(Path(name) / "state", data, slots)

        two, one, gain = compare(run(2), run(1), 5)
        told = f"{WINDOWS} windows, {rows:,} rows: 2 slots {two:.2f} s, 1 slot {one:.2f} s, gain {gain:.2f}"
        print(f"{told}; this machine's two cores at the moment: {cores():.2f}", flush=True)


def caught_up(folder: Path, data: Path, slots: int) -> None:
    """A new pipeline from nothing to its last window."""
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "pipeline.yml").write_text(CONFIG.format(data=data))
    with opened(load_final_config(folder / "pipeline.yml")) as pipeline:
        prepare(pipeline, NOW, slots)
        done = [outcome.done for outcome in run_side_by_side(pipeline, NOW, slots)]
    assert done == [True] * WINDOWS, done


def cores() -> float:
    """What a second thread gains for work that holds no lock of the interpreter."""
    block = bytes(range(256)) * 40_000

    def twice(threads: int) -> Callable[[], None]:
        def work() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(zlib.compress, [block, block]))

        return work

    return compare(twice(2), twice(1), 5)[2]


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 4_000_000)

"""Rows for the figures: one Parquet file, its rows spread evenly over one day in time order."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

from pipeline_framework.interfaces import Lock, Manifest
from pipeline_framework.windows import Window

DAY = Window(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC))
QUERY = """
    SELECT make_timestamptz(1356998400000000 + i * 86400000000 // {rows}) AS time, i AS id,
           hash(i) % 1000000 / 100.0 AS value, (hash(i) % 1000)::INTEGER AS small,
           'kind ' || hash(i) % 20 AS kind, 'name ' || hash(i * 7) AS name
    FROM range({rows}) AS numbers(i)
"""


def day_file(folder: Path, rows: int, group_rows: int) -> Path:
    """A file of so many rows in row groups of so many, made by another process to keep this one small."""
    path = folder / f"{rows}.parquet"
    subprocess.run([sys.executable, __file__, str(path), str(rows), str(group_rows)], check=True)
    return path


def lock_of(epoch: int, manifest: Manifest | None = None, window: Window = DAY) -> Lock:
    """A held window, with the marker of what was staged."""
    marker = {"manifest_address": manifest.address, "manifest_digest": manifest.digest} if manifest else {}
    return Lock(1, "benchmark", "", window, epoch, "benchmark", marker)


def hour(number: int) -> Window:
    """An hour of the day."""
    return Window(DAY.start + timedelta(hours=number), DAY.start + timedelta(hours=number + 1))


def compare(
    ours: Callable[[], object],
    reference: Callable[[], object],
    times: int = 7,
    before: Callable[[], object] = lambda: None,
) -> tuple[float, float, float]:
    """Median seconds of ours and of the reference, run in turns, and the median of reference / ours.

    What has to be put in order `before` each of ours is not timed.
    """
    pairs = []
    for _ in range(times):
        before()
        pairs.append((_seconds(ours), _seconds(reference)))
    ratios = [theirs / own for own, theirs in pairs]
    return median(own for own, _ in pairs), median(theirs for _, theirs in pairs), median(ratios)


def _seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


if __name__ == "__main__":
    import duckdb
    import pyarrow.parquet as pq

    relation = duckdb.sql(QUERY.format(rows=int(sys.argv[2])))
    assert relation is not None
    pq.write_table(relation.to_arrow_table(), sys.argv[1], row_group_size=int(sys.argv[3]))

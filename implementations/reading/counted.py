"""Rows of a window in one file, and rows that belong to none."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.times import inside
from pipeline_framework.windows import Window


@dataclass(frozen=True, slots=True)
class Counted:
    """`rows` in the window, `timeless` rows whose time is NULL."""

    rows: int = 0
    timeless: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.rows + other.rows, self.timeless + other.timeless)


def counted(times: pa.Array, window: Window) -> Counted:
    """Of a batch's instants."""
    return Counted(pc.sum(inside(times, window)).as_py() or 0, times.null_count)

"""Rows of a window in one file, and rows that belong to none."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.times import inside
from pipeline_framework.errors import BadData
from pipeline_framework.windows import Window

# For questions that no window has a part in.
ANY = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC))


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


def timeless(rows: int, place: str, time_field: str) -> BadData:
    """The error for rows whose time is NULL, where they are refused."""
    return BadData(
        f"{rows} rows of {place} have no {time_field}, so they belong to no window: give them a time, or "
        "leave them out with `source.null_time: ignore`."
    )

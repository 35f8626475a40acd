"""Proof of coverage: what no window covers, what two cover, what came out empty."""

from dataclasses import dataclass
from datetime import datetime

from pipeline_framework.control_table import new_windows
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.status import inner_holes
from pipeline_framework.windows import Window


@dataclass(frozen=True, slots=True)
class Gap:
    """`hole`: never generated though later windows are; `overlap`: covered twice; `empty`: no rows."""

    kind: str
    window_start_time: datetime
    window_end_time: datetime
    note: str


def gaps(pipeline: Pipeline, *, empty_windows: int = 1000) -> list[Gap]:
    """Holes, overlaps and up to `empty_windows` windows without data, in that order."""
    islands = new_windows.islands(pipeline.database, pipeline.key)
    return [
        *[hole(window) for window in inner_holes(pipeline, islands)],
        *overlapping(pipeline),
        *without_data(pipeline, empty_windows),
    ]


def looked_at(pipeline: Pipeline) -> Window | None:
    """From where to where holes were looked for: `start` to the last window; None before there is one."""
    ends = [island.end for island in new_windows.islands(pipeline.database, pipeline.key)]
    last = max(ends, default=pipeline.config.start)
    return Window(pipeline.config.start, last) if last > pipeline.config.start else None


def hole(window: Window) -> Gap:
    """Time that no window covers; the next run fills it."""
    return Gap("hole", window.start, window.end, "no window covers this time; the next run adds it")


def overlapping(pipeline: Pipeline) -> list[Gap]:
    """Time that two windows cover."""
    rows = pipeline.database.run("overlapping_windows", **pipeline.key.parameters)
    return [
        Gap(
            "overlap",
            row["window_start_time"],
            row["other_end"],
            f"windows {row['other_id']} and {row['id']}",
        )
        for row in rows
    ]


def without_data(pipeline: Pipeline, limit: int) -> list[Gap]:
    """Windows that were empty in source and target."""
    rows = pipeline.database.run("empty_windows", **pipeline.key.parameters, page_size=limit)
    return [
        Gap("empty", row["window_start_time"], row["window_end_time"], f"window {row['id']} had no rows")
        for row in rows
    ]

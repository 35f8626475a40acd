"""Let the configured grid start before the last window ends: drop those that nobody has touched."""

from collections.abc import Iterator
from typing import Any

from pipeline_framework.control_table import new_windows, tail
from pipeline_framework.errors import NothingToDo
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import EARLIEST, Filter, windows
from pipeline_framework.windows import GridHistory


def regrid(pipeline: Pipeline, *, actor: str, reason: str) -> int:
    """Drop the tail that no run has touched, so that the next generation cuts it by the configured grid.

    How many windows were dropped. What was ever claimed stays as it was cut. Raises `NothingToDo` when
    nothing can be dropped, or the tail is cut by the configured grid already.
    """
    require_change(pipeline)
    return tail.drop(pipeline.database, pipeline.key, actor=actor, reason=reason)


def would_drop(pipeline: Pipeline) -> Iterator[dict[str, Any]]:
    """The windows that `regrid` would drop, oldest first, by column; raises as it does."""
    require_change(pipeline)
    kept = tail.last_kept(pipeline.database, pipeline.key)
    behind = Filter(first=kept.end if kept else EARLIEST)
    return (record.columns() for record in windows(pipeline, behind))


def require_change(pipeline: Pipeline) -> None:
    """Raise `NothingToDo` when a regrid would change nothing."""
    known = new_windows.grid_history(pipeline.database, pipeline.key)
    last = pipeline.database.run("last_window", **pipeline.key.parameters)
    if known is None or not last:
        raise NothingToDo(f"{pipeline.key.pipeline_id} has no window yet; `pipeline plan` lists what comes.")
    kept = tail.last_kept(pipeline.database, pipeline.key)
    if kept and last[0]["window_end_time"] <= kept.end:
        raise NothingToDo(
            f"{pipeline.key.pipeline_id}: no window can be dropped, for the last one, {kept}, was touched "
            "already; the configured grid starts where it ends."
        )
    grid = pipeline.config.window_grid
    after = known.followed_by(grid, kept.end) if kept else GridHistory(((None, grid),))
    if after.text() == known.text():
        raise NothingToDo(
            f"{pipeline.key.pipeline_id}: the windows that wait are cut by the configured grid already "
            f"({grid.text()}); change it in {pipeline.config.file} first."
        )

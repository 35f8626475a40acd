"""Rows of three windows that meet by key: what happened to them, and the table they have to come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline_framework.interfaces import Loaded, Staged, Target
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import AFTER, BEFORE, INSTANT, TIME_FIELD, WINDOW, lock_for

Shown = list[tuple[int, str, bool]]  # of each row its id, its value and its mark

WINDOWS = (BEFORE, WINDOW, AFTER)
SCHEMA = pa.schema({TIME_FIELD: INSTANT, "id": pa.int64(), "value": pa.string(), "gone": pa.bool_()})


@dataclass(frozen=True)
class Event:
    """What happened to the row `id` in one of three windows, so many minutes after its start."""

    window: int
    id: int
    minute: int
    gone: bool = False

    @property
    def row(self) -> dict[str, Any]:
        """The row as it is staged; its value tells which event it was."""
        time = WINDOWS[self.window].start + timedelta(minutes=self.minute)
        text = f"{self.window}.{self.minute}"
        return {TIME_FIELD: time, "id": self.id, "value": text, "gone": self.gone}


def load(target: Target, folder: Path, window: int, happened: Sequence[Event], epoch: int) -> Loaded:
    """Load the events of one window under that epoch."""
    rows = [event.row for event in happened if event.window == window]
    return target.load(lock_for(WINDOWS[window], epoch=epoch), staged(folder, rows))


def staged(
    folder: Path, rows: Sequence[Mapping[str, Any]], promised: int | None = None, unknown: str = ""
) -> Staged:
    """The rows as a staged file; `promised` is what its manifest says where that differs.

    A column of nothing but NULL, named by `unknown`, has the type null.
    """
    kinds = dict(zip(SCHEMA.names, SCHEMA.types, strict=True))
    kinds |= {name: pa.string() for row in rows for name in row if name not in kinds}
    kinds |= {unknown: pa.null()} if unknown else {}
    table = pa.Table.from_pylist(list(rows), schema=pa.schema(kinds))
    return staged_in(folder / "staged", table, promised)


def expected(happened: Sequence[Event], *, soft: bool) -> Shown:
    """The newest event of each row; where it is a deletion, the row is away, or the mark is in its place."""
    shown: Shown = []
    for number in sorted({event.id for event in happened}):
        last = max(
            (event for event in happened if event.id == number), key=lambda event: event.row[TIME_FIELD]
        )
        if soft or not last.gone:
            shown.append((number, last.row["value"], last.gone))
    return shown

"""Which grid was in force when: a change of granularity or timezone never rewrites what was cut before."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from pipeline_framework.windows.grid import Grid
from pipeline_framework.windows.window import Window, instant_text, utc

_FIRST = "first: "
_SINCE = "since "


@dataclass(frozen=True, slots=True)
class GridHistory:
    """`entries` of (from when, grid), the first from None: it holds for all time before the second.

    Raises `ValueError` for an empty history or one out of order.
    """

    entries: tuple[tuple[datetime | None, Grid], ...]

    def __post_init__(self) -> None:
        if not self.entries or self.entries[0][0] is not None:
            raise ValueError("A history of grids begins with a grid that has no 'since'.")
        later = [(utc(since), grid) for since, grid in self.entries[1:] if since is not None]
        if len(later) < len(self.entries) - 1 or any(a[0] >= b[0] for a, b in pairwise(later)):
            raise ValueError("After its first grid, a history of grids names ascending instants.")
        object.__setattr__(self, "entries", (self.entries[0], *later))

    def grid_at(self, instant: datetime) -> Grid:
        """The grid in force at `instant`."""
        return next(grid for since, grid in reversed(self.entries) if since is None or since <= instant)

    def followed_by(self, grid: Grid, at: datetime) -> "GridHistory":
        """This history with `grid` in force from `at`, the end of the last window of the old grid.

        Unchanged when that grid is in force then. Grids from `at` on were never used and drop out.
        """
        kept = tuple(entry for entry in self.entries if entry[0] is None or entry[0] < at)
        return GridHistory(kept if kept[-1][1].text() == grid.text() else (*kept, (at, grid)))

    def cut(self, span: Window) -> Iterator[Window]:
        """The whole of `span` as contiguous windows, each stretch cut by the grid in force."""
        changes = [since for since, _ in self.entries if since is not None and span.start < since < span.end]
        for start, end in pairwise((span.start, *changes, span.end)):
            yield from self.grid_at(start).cut(Window(start, end))

    def text(self) -> str:
        """One line for each grid: `first: fixed 2h`, then `since 2013-05-01T00:00:00Z: fixed 1h`."""
        return "\n".join(
            (f"{_SINCE}{instant_text(since)}: " if since else _FIRST) + grid.text()
            for since, grid in self.entries
        )

    @classmethod
    def parse(cls, text: str) -> "GridHistory":
        """The history that `text()` described; `ValueError` where it describes none."""
        return cls(tuple(_entry(line.strip()) for line in text.splitlines() if line.strip()))


def _entry(line: str) -> tuple[datetime | None, Grid]:
    if line.startswith(_FIRST):
        return None, Grid.parse(line.removeprefix(_FIRST))
    since, colon, grid = line.removeprefix(_SINCE).partition(": ")
    if not line.startswith(_SINCE) or not colon:
        raise ValueError(
            f"The line '{line}' of a history of grids begins neither with '{_FIRST}' nor '{_SINCE}'."
        )
    return utc(datetime.fromisoformat(since)), Grid.parse(grid)

"""What is covered by windows, what is not, and the windows that are still missing."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from operator import attrgetter

from pipeline_framework.windows.history import GridHistory
from pipeline_framework.windows.window import Window, utc

_START = attrgetter("start")
_NEVER = datetime.max.replace(tzinfo=UTC)


def missing(
    history: GridHistory,
    covered: Iterable[Window],
    start: datetime,
    until: datetime,
    end: datetime | None = None,
) -> Iterator[Window]:
    """Every window that `covered` lacks between `start` and the watermark `until`, in order.

    Holes in the middle included; each stretch is cut by the grid in force in `history` and where
    something covered begins. No window ends after `until`; at `end` (the pipeline's) the last is cut.
    `covered` may come in any order and may overlap. Lazy but for sorting `covered`.
    """
    for hole in holes(covered, start, _NEVER if end is None else end):
        for window in history.cut(hole):
            if window.end > until:
                return
            yield window


def holes(covered: Iterable[Window], start: datetime, until: datetime) -> Iterator[Window]:
    """The stretches between `start` and `until` that nothing covers, in order, each as long as can be."""
    reached, until = utc(start), utc(until)
    for span in sorted(covered, key=_START):
        if span.start >= until:
            break
        if span.start > reached:
            yield Window(reached, span.start)
        reached = max(reached, span.end)
    if reached < until:
        yield Window(reached, until)


def overlaps(spans: Iterable[Window]) -> Iterator[Window]:
    """For each span that begins before an earlier one has ended: the stretch that both cover."""
    reached = datetime.min.replace(tzinfo=UTC)
    for span in sorted(spans, key=_START):
        if span.start < reached:
            yield Window(span.start, min(span.end, reached))
        reached = max(reached, span.end)

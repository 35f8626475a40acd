"""What the clocks of a zone show, found from UTC alone.

`zoneinfo` does not tell when clocks change, so changes are bisected out of samples three hours apart;
in the tz database (2026f) no two changes of a zone lie closer than 95 hours (Africa/Freetown, 1939).
Nothing converts from wall-clock time to UTC: that direction is ambiguous, and `zoneinfo` errs in it
where changes lie closer together than they are wide.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipeline_framework.windows.window import DAY

SECOND = timedelta(seconds=1)
SAMPLED = tuple(timedelta(hours=hour) for hour in range(0, 25, 3))
# Local dates near the two ends of the calendar cannot be expressed.
FIRST = datetime(1, 1, 5, tzinfo=UTC)
LAST = datetime(9900, 1, 1, tzinfo=UTC)


class Piece(NamedTuple):
    """A stretch of UTC in which neither the offset from UTC nor the local date changes."""

    start: datetime
    end: datetime
    day: date
    midnight: datetime  # where 00:00 of `day` would be with this offset; may lie before `start`

    @property
    def offset(self) -> timedelta:
        """Local time minus UTC."""
        return datetime.combine(self.day, datetime.min.time(), UTC) - self.midnight


def bounded(instant: datetime) -> datetime:
    """`instant`, or the nearest at which local dates can be told."""
    return min(max(instant, FIRST), LAST)


def pieces(zone: ZoneInfo, since: datetime) -> Iterator[Piece]:
    """Contiguous pieces from the one that holds `since` (UTC) onwards, up to the year 9900."""
    for ordinal in range(bounded(since).toordinal(), LAST.toordinal()):
        for piece in _pieces_of(zone, ordinal):
            if piece.end > since:
                yield piece


def first_reaching(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant whose local clock shows `wall` (naive) or later.

    A time that was skipped is reached when the clock jumps over it, a repeated one when it first comes.
    """
    here = wall.replace(tzinfo=UTC)
    reaching = (piece for piece in pieces(zone, here - DAY) if piece.end + piece.offset > here)
    piece = next(reaching)
    return max(piece.start, here - piece.offset)


def latest_shown(zone: ZoneInfo, instant: datetime) -> datetime:
    """The latest wall-clock time (naive) shown up to `instant` (UTC); stands still in a repeated hour."""
    latest = datetime.min.replace(tzinfo=UTC)
    for piece in pieces(zone, instant - 2 * DAY):
        if piece.start > instant:
            break
        latest = max(latest, min(piece.end, instant) + piece.offset)
    return latest.replace(tzinfo=None)


@lru_cache(maxsize=8192)
def _pieces_of(zone: ZoneInfo, ordinal: int) -> tuple[Piece, ...]:
    """The pieces of one UTC day."""
    day = datetime.fromordinal(ordinal).replace(tzinfo=UTC)
    edges = (day, *_changes(zone, day), day + DAY)
    return tuple(piece for start, end in pairwise(edges) for piece in _by_date(zone, start, end))


def _by_date(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Piece]:
    """A stretch of one offset, cut at local midnight."""
    offset = _offset(zone, start)
    while start < end:
        day = (start + offset).date()
        midnight = datetime.combine(day, datetime.min.time(), UTC) - offset
        yield Piece(start, min(end, midnight + DAY), day, midnight)
        start = midnight + DAY


def _changes(zone: ZoneInfo, day: datetime) -> Iterator[datetime]:
    """Every instant of the 24 hours after `day` at which the offset changes."""
    samples = [(day + hours, _offset(zone, day + hours)) for hours in SAMPLED]
    for (low, before), (high, after) in pairwise(samples):
        if before != after:
            yield from _changes_between(zone, low, high)


def _changes_between(zone: ZoneInfo, low: datetime, high: datetime) -> Iterator[datetime]:
    """The changes after `low` up to `high`, until the offset is that of `high`."""
    last = _offset(zone, high)
    while _offset(zone, low) != last:
        low = _next_change(zone, low, high)
        yield low


def _next_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """A change between two instants of different offset, to the second (the tz database has no finer)."""
    before = _offset(zone, low)
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).replace(tzinfo=UTC) - instant

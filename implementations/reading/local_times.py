"""Where a window lies among times without a zone, for systems that compare and index those as they are.

A local time that the clocks show twice means the second of the two, one that they skip the end of the gap, as
`TimeField(ambiguous="latest")` reads them. So a window's rows are one stretch of local times.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline_framework.errors import Misuse

TICK = timedelta(microseconds=1)


def zone_named(name: str) -> ZoneInfo:
    """The zone that `source.time_zone` names; `Misuse` where there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise Misuse(f"`source.time_zone`: there is no zone {name}; use an IANA name.") from None


def first_local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The earliest local time that means this instant or a later one; without a zone."""
    local = instant.astimezone(zone)
    skipped = _offset(instant, zone) - _offset(instant - TICK, zone)
    if skipped > timedelta(0):
        return local.replace(tzinfo=None) - skipped
    repeated = _offset(instant, zone) - (local.replace(fold=1).utcoffset() or timedelta(0))
    if local.fold == 0 and repeated > timedelta(0):
        local = _change(instant, instant + repeated, zone).astimezone(zone)
    return local.replace(tzinfo=None)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant behind `before` at which the offset is that of `after`."""
    while after - before > TICK:
        middle = before + (after - before) // 2
        before, after = (
            (middle, after) if _offset(middle, zone) == _offset(before, zone) else (before, middle)
        )
    return after.astimezone(UTC)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)

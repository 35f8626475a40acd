"""Times of a configuration and of the command line, as UTC.

A time without an offset is local time of the pipeline's timezone. Where the clocks jumped over it, it
means the first instant after the jump; where they showed it twice, the first of the two.
"""

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, available_timezones

from pipeline_framework.config.mistakes import suggestion
from pipeline_framework.windows.local_time import first_reaching

EARLIEST = 1900  # years before it are typing errors
_FORMS = "Write 2013-01-31, 2013-01-31T05:00 or 2013-01-31T05:00:00Z."


def instant(value: object, zone: ZoneInfo) -> datetime:
    """A date, datetime or ISO-8601 text as a UTC datetime; `ValueError` with a full sentence otherwise."""
    time = _read(value)
    if time.year < EARLIEST:
        raise ValueError(f"The year {time.year} is before {EARLIEST}. {_FORMS}")
    try:
        return time.astimezone(UTC) if time.tzinfo else first_reaching(zone, time)
    except (OverflowError, StopIteration):
        raise ValueError(f"{time} is too far away to be expressed in UTC. Choose an earlier time.") from None


def _read(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - local time, its zone comes later
    if not isinstance(value, str):
        raise ValueError(f"Must be a date or a time. {_FORMS}")  # noqa: TRY004 - pydantic's own
    try:
        return datetime.fromisoformat(re.sub(r"\s+(?=[-+Z])", "", value.strip()))
    except ValueError:
        raise ValueError(f"'{value}' is no date or time. {_FORMS}") from None


def zone_named(name: str) -> ZoneInfo:
    """The zone of the tz database; `ValueError` names the nearest for anything else."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        known = sorted(available_timezones())
        hint = suggestion(name, known) if len(name) < 100 else ""
        hint = hint if hint.startswith("Did") else "Write one such as Europe/Berlin or UTC."
        raise ValueError(f"There is no timezone '{name[:100]}'. {hint}") from None

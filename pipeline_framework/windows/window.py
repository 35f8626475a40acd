"""A window: the half-open span `[start, end)`; its identity is its two UTC instants."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)
_UNITS = (("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """`[start, end)` in UTC, ordered by start.

    Aware datetimes of any zone and of any subclass are accepted and kept as plain UTC datetimes.
    Raises `ValueError` for a datetime without a timezone, and unless start < end.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            instant = getattr(self, name)
            if instant.tzinfo is not UTC or type(instant) is not datetime:
                object.__setattr__(self, name, utc(instant))
        if self.start >= self.end:
            raise ValueError(f"A window must end after it starts; {self} does not.")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def __str__(self) -> str:
        return f"{instant_text(self.start)}/{instant_text(self.end)}"

    @property
    def seconds(self) -> float:
        """Elapsed length in seconds."""
        return (self.end - self.start).total_seconds()

    @property
    def interval(self) -> str:
        """Elapsed length as text: `2h`, `1h30m`, `23h`, `1d`; days only when whole ones."""
        return length_text(self.end - self.start)

    def overlaps(self, other: "Window") -> bool:
        """Whether the two share an instant; windows that only touch do not."""
        return self.start < other.end and other.start < self.end


def utc(instant: datetime) -> datetime:
    """The same instant as a plain datetime in UTC.

    `ValueError` for one without a timezone, or so near the year 1 or 9999 that UTC has no date for it.
    """
    if instant.utcoffset() is None:
        raise ValueError(f"The time {instant} has no timezone; give one, such as Z for UTC.")
    try:
        moved = instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            f"The time {instant} is outside the years 1 to 9999 in UTC; choose another."
        ) from None
    return datetime.combine(moved.date(), moved.time(), UTC)


def instant_text(instant: datetime) -> str:
    """ISO-8601 in UTC with a Z; microseconds only where there are any."""
    return utc(instant).isoformat().replace("+00:00", "Z")


def length_text(length: timedelta) -> str:
    """A positive length in the units of a granularity: `7d`, `25h`, `1h30m`, `23h56m2s`, `0.5s`."""
    if not length % DAY:
        return f"{length // DAY}d"
    text = ""
    for unit, size in _UNITS:
        count, length = divmod(length, size)
        text += f"{count}{unit}" if count else ""
    return text + (f"{length.total_seconds():.6f}".rstrip("0").rstrip(".") + "s" if length else "")

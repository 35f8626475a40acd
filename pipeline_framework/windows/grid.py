"""Grids: the rules that cut time into windows. Ticks are the instants where a grid cuts."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline_framework.windows.granularity import Granularity
from pipeline_framework.windows.local_time import LAST, Piece, bounded, pieces
from pipeline_framework.windows.window import DAY, Window, utc

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(
    r"(?P<kind>calendar|fixed) (?P<granularity>\S+)"
    r"(?: (?P<zone>\S+) from (?P<origin>\d{4}-\d\d-\d\d))?"
    rf"(?:, weeks from (?P<week_start>{'|'.join(WEEKDAYS)}))?"
)


class Grid(ABC):
    """A rule that cuts time into windows; where it cuts does not depend on where one starts to look."""

    __slots__ = ()

    @abstractmethod
    def ticks(self, after: datetime) -> Iterator[datetime]:
        """All ticks strictly after `after` in ascending order, in UTC, up to the year 9900."""

    @abstractmethod
    def text(self) -> str:
        """Readable text that `Grid.parse` turns into an equal grid."""

    def cut(self, span: Window) -> Iterator[Window]:
        """The whole of `span` as contiguous windows, cut at every tick inside."""
        start = span.start
        for tick in self.ticks(start):
            if tick >= span.end:
                break
            yield Window(start, tick)
            start = tick
        yield Window(start, span.end)

    @staticmethod
    def parse(text: str) -> "Grid":
        """The grid that `text()` described; `ValueError` where it describes none."""
        match = _TEXT.fullmatch(text.strip())
        if match is None or (match["kind"] == "calendar") != bool(match["zone"]):
            raise ValueError(
                f"The grid '{text}' is not understood; write it like 'fixed 2h' or"
                " 'calendar 2h America/New_York from 2013-01-01'."
            )
        granularity = Granularity.parse(match["granularity"])
        week_start = WEEKDAYS.index(match["week_start"] or "Monday")
        if match["zone"] is None:
            return FixedGrid(granularity, week_start)
        return CalendarGrid(
            granularity, zone_named(match["zone"]), date.fromisoformat(match["origin"]), week_start
        )


@dataclass(frozen=True, slots=True)
class FixedGrid(Grid):
    """Every window exactly as long: multiples of the granularity in UTC since 1970-01-01.

    Days are UTC days; weeks begin on `week_start` (0 = Monday), counted from the week of 1970-01-01;
    other granularities keep it at 0.
    """

    granularity: Granularity
    week_start: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "week_start", _week_start(self.granularity, self.week_start))

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """See `Grid.ticks`."""
        length = self.granularity.length
        tick = EPOCH - _into_week(self.granularity, EPOCH, self.week_start)
        tick += ((bounded(utc(after)) - tick) // length + 1) * length
        while tick < LAST:
            yield tick
            tick += length

    def text(self) -> str:
        """`fixed 2h`."""
        return f"fixed {self.granularity}{_weeks_text(self.week_start)}"


@dataclass(frozen=True, slots=True)
class CalendarGrid(Grid):
    """Wall-clock ticks of a zone, begun anew at each local midnight.

    Below a day: every instant whose wall clock shows a whole multiple of the granularity after
    midnight (both of a repeated hour, none that is skipped), and every instant at which the local
    date changes. Days: where the local day begins, counted from `origin`; weeks on `week_start`
    (0 = Monday), counted from the week of `origin`. A day that does not exist begins with the next.
    """

    granularity: Granularity
    zone: ZoneInfo
    origin: date
    week_start: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "week_start", _week_start(self.granularity, self.week_start))
        if not self.granularity.counts_days and self.granularity.length > DAY:
            raise ValueError(
                f"The granularity {self.granularity} is above 24 hours, and a calendar grid begins anew"
                " at each midnight; use days (2d) or `grid: fixed`."
            )

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """See `Grid.ticks`."""
        if self.granularity.counts_days:
            return self._days(bounded(utc(after)))
        return self._times_of_day(utc(after))

    def text(self) -> str:
        """`calendar 2h America/New_York from 2013-01-01`."""
        weeks = _weeks_text(self.week_start)
        return f"calendar {self.granularity} {self.zone.key} from {self.origin.isoformat()}{weeks}"

    def _times_of_day(self, after: datetime) -> Iterator[datetime]:
        day = None
        for piece in pieces(self.zone, after):
            new_day = piece.start > after and piece.day != day
            if new_day and (piece.start - piece.midnight) % self.granularity.length:
                yield piece.start
            yield from self._multiples(piece, after)
            day = piece.day

    def _multiples(self, piece: Piece, after: datetime) -> Iterator[datetime]:
        """Ticks inside `piece`, strictly after `after`, whose wall clock shows a multiple."""
        length = self.granularity.length
        tick = piece.start + (piece.midnight - piece.start) % length
        if tick <= after:
            tick += ((after - tick) // length + 1) * length
        while tick < piece.end:
            yield tick
            tick += length

    def _days(self, after: datetime) -> Iterator[datetime]:
        """Where a counted day is first reached; the clock may show the day before once more after that."""
        into_week = _into_week(self.granularity, self.origin, self.week_start)
        latest = None
        for piece in pieces(self.zone, after - 2 * DAY):
            period = (piece.day - self.origin + into_week) // self.granularity.length
            if latest is not None and period > latest and piece.start > after:
                yield piece.start
            latest = period if latest is None else max(latest, period)


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of that name; `ValueError` where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"There is no timezone '{name}'; use an IANA name such as Europe/Paris or UTC."
        ) from None


def _into_week(granularity: Granularity, origin: date, week_start: int) -> timedelta:
    """How long before `origin` the counting begins: for weeks, where its week began."""
    return timedelta(days=(origin.weekday() - week_start) % 7 if granularity.unit == "w" else 0)


def _weeks_text(week_start: int) -> str:
    return f", weeks from {WEEKDAYS[week_start]}" if week_start else ""


def _week_start(granularity: Granularity, week_start: int) -> int:
    """`week_start` where it matters, so that grids which cut alike are equal."""
    if not 0 <= week_start <= 6:
        raise ValueError(f"The week start {week_start} is no day of the week; 0 is Monday, 6 is Sunday.")
    return week_start if granularity.unit == "w" else 0

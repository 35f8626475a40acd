"""Grids: the rules that cut time into windows. Ticks are the instants where a grid cuts."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline_framework.windows.granularity import Granularity
from pipeline_framework.windows.local_time import FIRST, LAST, Piece, pieces
from pipeline_framework.windows.window import DAY, Window, utc

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EPOCH = date(1970, 1, 1)
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
            raise ValueError(f"The grid '{text}' is not understood; expected something like 'fixed 2h'.")
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

    Days are UTC days; weeks begin on `week_start` (0 = Monday), counted from the week of 1970-01-01.
    """

    granularity: Granularity
    week_start: int = 0

    def __post_init__(self) -> None:
        _check_week_start(self.week_start)

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """See `Grid.ticks`."""
        length = self.granularity.length
        origin = _counted_from(self.granularity, EPOCH, self.week_start)
        tick = datetime.combine(origin, datetime.min.time(), UTC)
        tick += ((max(utc(after), FIRST) - tick) // length + 1) * length
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
        _check_week_start(self.week_start)
        if not self.granularity.counts_days and self.granularity.length > DAY:
            raise ValueError(
                f"The granularity {self.granularity} is above 24 hours, and a calendar grid begins anew"
                " at each midnight; use days (2d) or `grid: fixed`."
            )

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """See `Grid.ticks`."""
        if self.granularity.counts_days:
            return self._days(max(utc(after), FIRST))
        return self._times_of_day(utc(after))

    def text(self) -> str:
        """`calendar 2h America/New_York from 2013-01-01`."""
        weeks = _weeks_text(self.week_start)
        return f"calendar {self.granularity} {self.zone.key} from {self.origin.isoformat()}{weeks}"

    def _times_of_day(self, after: datetime) -> Iterator[datetime]:
        day = None
        for piece in pieces(self.zone, after):
            if (
                piece.start > after
                and piece.day != day
                and (piece.start - piece.midnight) % self.granularity.length
            ):
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
        origin = _counted_from(self.granularity, self.origin, self.week_start)
        latest = None
        for piece in pieces(self.zone, after - 2 * DAY):
            period = (piece.day - origin) // self.granularity.length
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


def _counted_from(granularity: Granularity, origin: date, week_start: int) -> date:
    """`origin`, or for weeks the day on which its week began."""
    into_week = (origin.weekday() - week_start) % 7 if granularity.unit == "w" else 0
    return origin - timedelta(days=into_week)


def _weeks_text(week_start: int) -> str:
    return f", weeks from {WEEKDAYS[week_start]}" if week_start else ""


def _check_week_start(week_start: int) -> None:
    if not 0 <= week_start <= 6:
        raise ValueError(f"The week start {week_start} is no day of the week; 0 is Monday, 6 is Sunday.")

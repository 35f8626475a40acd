"""Clocks for tests: every zone, its changes read from the tz files, made-up zones, slow but plain answers."""

import io
import os
import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from pipeline_framework.windows import CalendarGrid, FixedGrid, Granularity, Grid, Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))
NAMES = sorted(zoneinfo.available_timezones())
HARD = (
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Juneau",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Asia/Manila",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Monrovia",
    "Africa/Casablanca",
    "Europe/Dublin",
    "Antarctica/Troll",
)
BELOW_A_DAY = ("37s", "15m", "30m", "45m", "7m", "90m", "1h", "2h", "3h", "5h", "6h", "12h", "24h")
OF_DAYS = ("1d", "2d", "3d", "10d", "1w", "2w")


def examples(count: int) -> settings:
    """Settings for `count` examples; 20 times as many with HYPOTHESIS_PROFILE=thorough."""
    times = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1
    return settings(max_examples=count * times, deadline=None)


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What a local clock shows (naive)."""
    return instant.astimezone(zone).replace(tzinfo=None)


def offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return wall(instant, zone) - instant.replace(tzinfo=None)


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """When the offset of a zone changes between 1800 and 2038: from its tz file, later years by scanning."""
    zone, found = ZoneInfo(name), set(_scanned(ZoneInfo(name)))
    for seconds in _in_file(name):
        instant = EPOCH + timedelta(seconds=seconds)
        if offset(instant, zone) != offset(instant - SECOND, zone):
            found.add(instant)
    return tuple(sorted(found))


def tz_file(name: str) -> bytes:
    """The file that `zoneinfo` reads: the system's, or else that of the package tzdata."""
    paths = [Path(folder, name) for folder in zoneinfo.TZPATH if Path(folder, name).is_file()]
    return (paths[0] if paths else files("tzdata").joinpath("zoneinfo", name)).read_bytes()


def _in_file(name: str) -> Iterator[int]:
    """The 64-bit transition times of a TZif file (RFC 9636), 1800 to 2037."""
    content = tz_file(name)
    isut, isstd, leap, times, types, letters = struct.unpack(">6l", content[20:44])
    second = 44 + times * 5 + types * 6 + letters + leap * 8 + isstd + isut
    (count,) = struct.unpack(">l", content[second + 32 : second + 36])
    for seconds in struct.unpack(f">{count}q", content[second + 44 : second + 44 + 8 * count]):
        if -5_364_662_400 <= seconds < 2_145_916_800:
            yield seconds


def _scanned(zone: ZoneInfo) -> Iterator[datetime]:
    """The changes of 2007 to 2037, which a tz file may state only as a rule."""
    step = timedelta(hours=90)
    looks = [datetime(2007, 1, 1, tzinfo=UTC) + n * step for n in range(31 * 365 * 24 // 90)]
    offsets = [offset(look, zone) for look in looks]
    for look, (before, after) in zip(looks, pairwise(offsets), strict=False):
        if before != after:
            low, high = look, look + step
            while high - low > SECOND:
                middle = low + (high - low) // 2 // SECOND * SECOND
                low, high = (middle, high) if offset(middle, zone) == before else (low, middle)
            yield high


def made_zone(first: int, later: list[tuple[datetime, int]]) -> ZoneInfo:
    """A zone that is `first` seconds from UTC until the first of `later`, each with its own offset."""
    offsets = [first, *(seconds for _, seconds in later)]
    times = [int((instant - EPOCH).total_seconds()) for instant, _ in later]
    header = struct.pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, len(times), len(offsets), 4)
    body = struct.pack(f">{len(times)}l", *times) + bytes(range(1, len(offsets)))
    body += b"".join(struct.pack(">lBB", seconds, 0, 0) for seconds in offsets) + b"MAD\0"
    return ZoneInfo.from_file(io.BytesIO(header + body), key="Made/Up")


@st.composite
def made_clocks(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A zone whose clocks change wildly, at least three hours apart, and an instant near the changes."""
    seconds = st.integers(-57_600, 57_600) | st.integers(-32, 32).map(lambda half_hours: half_hours * 1800)
    first = instant = datetime(2001, 2, 3, tzinfo=UTC) + draw(st.integers(0, 86_399)) * SECOND
    later = []
    for gap in draw(st.lists(st.integers(10_801, 200_000), max_size=5)):
        instant += gap * SECOND
        later.append((instant, draw(seconds)))
    since = first + draw(st.integers(-100_000, 500_000)) * SECOND
    return made_zone(draw(seconds), later), since


@st.composite
def real_clocks(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """Any zone of the tz database and an instant, mostly near one of its clock changes."""
    name = draw(st.sampled_from(NAMES) | st.sampled_from(HARD))
    instant = datetime(1970, 1, 1, tzinfo=UTC) + draw(st.integers(0, 68 * 365 * 24)) * HOUR
    if changes(name):
        instant = draw(st.sampled_from(changes(name)) | st.just(instant))
    near = st.sampled_from([-86_400, -7_200, -3_600, -60, -1, 0, 1, 60, 3_600, 7_200, 86_400])
    return ZoneInfo(name), instant + draw(near | st.integers(-150_000, 150_000)) * SECOND


clocks = real_clocks() | made_clocks()


@st.composite
def grids(draw: st.DrawFn, zone: ZoneInfo, among: tuple[str, ...] = BELOW_A_DAY + OF_DAYS) -> Grid:
    """Any grid: mostly calendar grids in `zone`."""
    granularity, week_start = Granularity.parse(draw(st.sampled_from(among))), draw(st.integers(0, 6))
    if draw(st.integers(0, 4)) == 0:
        return FixedGrid(granularity, week_start)
    origin = draw(st.dates(date(1900, 1, 1), date(2030, 1, 1)))
    return CalendarGrid(granularity, zone, origin, week_start)


def spans(instant: datetime, longest: timedelta = 4 * DAY) -> st.SearchStrategy[Window]:
    """Spans that begin at `instant`."""
    lengths = st.integers(1, int(longest.total_seconds()))
    return lengths.map(lambda seconds: Window(instant, instant + seconds * SECOND))


def reach(granularity: Granularity) -> timedelta:
    """A span that holds a few dozen windows, or a few when they are long."""
    return min(max(40 * granularity.length, 3 * HOUR), 3 * granularity.length + 3 * DAY)


def looked_up_ticks(zone: ZoneInfo, seconds: int, span: Window, step: timedelta) -> list[datetime]:
    """Ticks below a day inside `span` by looking at the local clock every `step`."""
    found, instant = [], span.start + step
    while instant < span.end:
        shown, before = wall(instant, zone), wall(instant - SECOND, zone)
        into_day = shown - datetime.combine(shown.date(), datetime.min.time())
        if shown.date() != before.date() or not into_day % timedelta(seconds=seconds):
            found.append(instant)
        instant += step
    return found

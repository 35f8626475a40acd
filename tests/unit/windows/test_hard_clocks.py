"""Days that broke other schedulers, each with its true windows."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline_framework.windows import CalendarGrid, Granularity, Window
from pipeline_framework.windows.local_time import pieces
from tests.unit.windows.clocks import HOUR, MINUTE, made_zone

# What happens: zone, granularity, span in UTC; below, local start and real length of each window.
HARD_DAYS = """
new-york-spring-02:00-does-not-exist: America/New_York 2h 2013-03-10T05:00 2013-03-10T12:00
    10 00:00 3h, 10 04:00 2h, 10 06:00 2h
new-york-autumn-both-01:00: America/New_York 1h 2013-11-03T04:00 2013-11-03T08:00
    03 00:00 1h, 03 01:00 1h, 03 01:00 1h, 03 02:00 1h
new-york-autumn-2h: America/New_York 2h 2013-11-03T04:00 2013-11-03T11:00
    03 00:00 3h, 03 02:00 2h, 03 04:00 2h
five-hours-cut-at-midnight: America/New_York 5h 2013-03-10T05:00 2013-03-11T09:00
    10 00:00 4h, 10 05:00 5h, 10 10:00 5h, 10 15:00 5h, 10 20:00 4h, 11 00:00 5h
lord-howe-half-an-hour-forward: Australia/Lord_Howe 1h 2024-10-05T14:30 2024-10-05T18:00
    06 01:00 1h30m, 06 03:00 1h, 06 04:00 1h
lord-howe-half-hours-stay-whole: Australia/Lord_Howe 30m 2024-10-05T14:30 2024-10-05T16:30
    06 01:00 30m, 06 01:30 30m, 06 02:30 30m, 06 03:00 30m
lord-howe-half-an-hour-back: Australia/Lord_Howe 1h 2024-04-06T14:00 2024-04-06T17:30
    07 01:00 1h30m, 07 02:00 1h, 07 03:00 1h
beirut-without-midnight: Asia/Beirut 2h 2024-03-30T20:00 2024-03-31T01:00
    30 22:00 2h, 31 01:00 1h, 31 02:00 2h
beirut-day-begins-at-one: Asia/Beirut 1d 2024-03-29T22:00 2024-03-31T21:00
    30 00:00 1d, 31 01:00 23h
apia-without-the-30th: Pacific/Apia 1d 2011-12-28T10:00 2012-01-01T10:00
    28 00:00 1d, 29 00:00 1d, 31 00:00 1d, 01 00:00 1d
apia-two-days: Pacific/Apia 2d 2011-12-28T10:00 2012-01-02T10:00
    28 00:00 2d, 31 00:00 1d, 01 00:00 2d
apia-half-days: Pacific/Apia 12h 2011-12-29T10:00 2011-12-31T10:00
    29 00:00 12h, 29 12:00 12h, 31 00:00 12h, 31 12:00 12h
havana-both-midnights: America/Havana 1h 2024-11-03T03:00 2024-11-03T07:00
    02 23:00 1h, 03 00:00 1h, 03 00:00 1h, 03 01:00 1h
havana-day-begins-at-the-first-midnight: America/Havana 1d 2024-11-02T04:00 2024-11-04T05:00
    02 00:00 1d, 03 00:00 25h
st-johns-back-over-midnight: America/St_Johns 1h 2010-11-07T01:30 2010-11-07T04:30
    06 23:00 1h, 07 00:00 1m, 06 23:01 59m, 07 00:00 1h
st-johns-day-begins-once: America/St_Johns 1d 2010-11-06T02:30 2010-11-08T03:30
    06 00:00 1d, 07 00:00 25h
monrovia-leaves-44-minutes-30: Africa/Monrovia 1h 1972-01-06T22:44:30 1972-01-07T02:00
    06 22:00 1h, 06 23:00 1h, 07 00:44 15m30s, 07 01:00 1h
dublin-1916-sub-minute: Europe/Dublin 1h 1916-10-01T00:25:21 1916-10-01T04:00
    01 01:00 1h, 01 02:00 1h34m39s, 01 03:00 1h
dublin-1968-standard-time-moves-no-clock: Europe/Dublin 1d 1968-10-26T23:00 1968-10-28T23:00
    27 00:00 1d, 28 00:00 1d
troll-two-hours-forward: Antarctica/Troll 1h 2024-03-30T23:00 2024-03-31T03:00
    30 23:00 1h, 31 00:00 1h, 31 03:00 1h, 31 04:00 1h
troll-two-hours-back: Antarctica/Troll 2h 2024-10-26T22:00 2024-10-27T04:00
    27 00:00 2h, 27 02:00 2h, 27 02:00 2h
alaska-lives-a-date-twice: America/Juneau 12h 1867-10-18T08:57:41 1867-10-20T08:57:41
    19 00:00 12h, 19 12:00 3h33m32s, 18 15:33 8h26m28s, 19 00:00 12h, 19 12:00 12h
"""


def cut(zone: str | ZoneInfo, granularity: str, start: str, end: str, week_start: int = 0) -> list[Window]:
    """The windows between two UTC instants, days counted from the date of the first."""
    span = Window(datetime.fromisoformat(start + "Z"), datetime.fromisoformat(end + "Z"))
    zone = ZoneInfo(zone) if isinstance(zone, str) else zone
    origin = span.start.astimezone(zone).date()
    return list(CalendarGrid(Granularity.parse(granularity), zone, origin, week_start).cut(span))


def shown(windows: list[Window], zone: str | ZoneInfo) -> list[str]:
    """Local start and real length of each window."""
    zone = ZoneInfo(zone) if isinstance(zone, str) else zone
    return [f"{window.start.astimezone(zone):%d %H:%M} {window.interval}" for window in windows]


@pytest.mark.parametrize(
    "day", re.findall(r"^(\S.*)\n +(.*)$", HARD_DAYS, re.MULTILINE), ids=lambda day: day[0]
)
def test_windows_of_a_hard_day(day: tuple[str, str]) -> None:
    """Each window begins where the local clock says, and lasts as long as it really did."""
    zone, granularity, start, end = day[0].partition(": ")[2].split()
    assert ", ".join(shown(cut(zone, granularity, start, end), zone)) == day[1]


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [("2013-03-10T05:00", "2013-03-11T04:00", 23), ("2013-11-03T04:00", "2013-11-04T05:00", 25)],
)
def test_a_day_of_23_or_25_hours_has_as_many_hourly_windows(start: str, end: str, hours: int) -> None:
    """Hours and quarters keep their length on the days of a clock change; the day itself does not."""
    windows = cut("America/New_York", "1h", start, end)
    assert [window.interval for window in windows] == ["1h"] * hours
    assert {window.interval for window in cut("America/New_York", "15m", start, end)} == {"15m"}
    assert [window.interval for window in cut("America/New_York", "1d", start, end)] == [f"{hours}h"]


@pytest.mark.parametrize("week_start", range(7))
def test_weeks_begin_on_their_day_at_local_midnight(week_start: int) -> None:
    """A week across a clock change lasts 167 hours and begins on the chosen day."""
    zone = ZoneInfo("America/New_York")
    windows = cut("America/New_York", "1w", "2013-02-15T05:00", "2013-04-15T04:00", week_start)[1:-1]
    assert {window.start.astimezone(zone).weekday() for window in windows} == {week_start}
    assert {window.start.astimezone(zone).time().isoformat() for window in windows} == {"00:00:00"}
    assert min(window.interval for window in windows) == "167h"


def test_a_week_that_would_begin_on_a_missing_day_begins_on_the_next() -> None:
    """Pacific/Apia had no Friday 2011-12-30: that week begins on Saturday and is a day shorter."""
    windows = cut("Pacific/Apia", "1w", "2011-12-23T10:00", "2012-01-12T10:00", week_start=4)
    assert shown(windows, "Pacific/Apia") == ["23 00:00 7d", "31 00:00 6d", "06 00:00 7d"]


def test_two_changes_in_one_day_are_both_found() -> None:
    """Nothing is assumed about how often clocks change: +1 h at 06:00 and back at 14:00 UTC."""
    day = datetime(2020, 5, 5, tzinfo=UTC)
    zone = made_zone(0, [(day + 6 * HOUR, 3600), (day + 14 * HOUR, 0)])
    windows = cut(zone, "2h", "2020-05-05T04:00", "2020-05-05T17:00")
    assert [window.interval for window in windows] == ["3h", "2h", "2h", "2h", "1h", "2h", "1h"]
    assert shown(windows, zone)[1:6:4] == ["05 08:00 2h", "05 14:00 2h"]


def test_changes_minutes_apart_are_found_to_the_second() -> None:
    """Three changes within one hour, at odd seconds, that do not cancel out."""
    day = datetime(2020, 5, 5, tzinfo=UTC)
    times = [day + timedelta(seconds=seconds) for seconds in (601, 1234, 3333)]
    zone = made_zone(0, list(zip(times, (60, 7200, 1800), strict=True)))
    starts = {piece.start for piece, _ in zip(pieces(zone, day), range(8), strict=False)}
    assert set(times) <= starts
    assert day + MINUTE not in starts


def test_a_zone_is_asked_at_every_change_of_offset_of_plus_and_minus_fifteen_hours() -> None:
    """A clock that jumps 30 hours back repeats dates, and each day is still begun once."""
    day = datetime(2020, 5, 5, tzinfo=UTC)
    zone = made_zone(54_000, [(day + 12 * HOUR, -54_000)])
    windows = cut(zone, "1d", "2020-05-03T09:00", "2020-05-08T15:00")
    assert [window.interval for window in windows] == ["1d", "1d", "54h", "1d"]

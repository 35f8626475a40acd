"""Grids on the clocks of every zone of the tz database, and of zones that were made up to be worse."""

from datetime import UTC, date, datetime
from functools import partial
from itertools import islice, pairwise, takewhile
from operator import gt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import CalendarGrid, FixedGrid, Granularity, Grid, Window
from tests.unit.windows.clocks import (
    BELOW_A_DAY,
    DAY,
    HOUR,
    MINUTE,
    NAMES,
    OF_DAYS,
    SECOND,
    changes,
    clocks,
    examples,
    grids,
    looked_up_ticks,
    offset,
    reach,
    real_clocks,
    spans,
    tz_file,
    wall,
)

ORIGIN = date(2013, 1, 1)


def calendar(granularity: str, zone: ZoneInfo, origin: date = ORIGIN) -> CalendarGrid:
    return CalendarGrid(Granularity.parse(granularity), zone, origin)


@examples(150)
@given(st.data(), clocks)
def test_cut_windows_are_contiguous_positive_and_cover_the_span(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """Whatever the grid and the clocks, a span is cut into windows that follow each other exactly."""
    zone, instant = clock
    grid = data.draw(grids(zone))
    span = data.draw(spans(instant))
    windows = list(grid.cut(span))
    assert (windows[0].start, windows[-1].end) == (span.start, span.end)
    assert all(before.end == after.start for before, after in pairwise(windows))
    assert all(window.seconds > 0 for window in windows)


@examples(70)
@given(clocks, st.sampled_from(BELOW_A_DAY))
def test_ticks_below_a_day_are_what_a_person_reads_off_the_clock(
    clock: tuple[ZoneInfo, datetime], granularity: str
) -> None:
    """Ticks are the multiples that the local clock shows, every one of them, and the changes of date."""
    zone, instant = clock
    seconds = int(Granularity.parse(granularity).length.total_seconds())
    start = instant - instant.second * SECOND
    whole = all(not offset(start + n * HOUR, zone) % MINUTE for n in range(31)) and not seconds % 60
    span = Window(start, start + 30 * HOUR) if whole else Window(start, start + 2 * HOUR)
    expected = looked_up_ticks(zone, seconds, span, MINUTE if whole and whole_changes(zone, span) else SECOND)
    found = takewhile(lambda tick: tick < span.end, calendar(granularity, zone).ticks(span.start))
    assert list(found) == expected


def whole_changes(zone: ZoneInfo, span: Window) -> bool:
    """Whether the clocks change at whole minutes only (made-up zones may not)."""
    minutes = (span.start + n * MINUTE for n in range(int(span.seconds) // 60))
    return all(offset(minute, zone) == offset(minute + 59 * SECOND, zone) for minute in minutes)


@examples(70)
@given(st.data(), clocks, st.sampled_from(OF_DAYS), st.integers(0, 6))
def test_ticks_of_days_are_where_a_counted_date_is_first_reached(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime], granularity: str, week_start: int
) -> None:
    """A counted day or week begins when the local date first reaches it, found by looking each minute."""
    zone, instant = clock
    origin = instant.date() - data.draw(st.integers(-50, 50)) * DAY
    grid = CalendarGrid(Granularity.parse(granularity), zone, origin, week_start)
    counted = origin - (origin.weekday() - week_start) % 7 * DAY if granularity.endswith("w") else origin
    span = Window(instant, instant + 2 * grid.granularity.length + 2 * DAY)
    firsts = set()
    for number in range((span.start.date() - counted).days - 3, (span.end.date() - counted).days + 4):
        day = counted + number * DAY
        if number % (grid.granularity.length // DAY) == 0:
            firsts.add(first_second_of(day, zone))
    expected = sorted(first for first in firsts if span.start < first < span.end)
    assert list(takewhile(lambda tick: tick < span.end, grid.ticks(span.start))) == expected


def first_second_of(day: date, zone: ZoneInfo) -> datetime:
    """The first second whose local date is `day` or later: each second of the hours in which it may lie."""
    hour = datetime.combine(day, datetime.min.time(), UTC) - DAY
    while True:
        begins, ends = wall(hour, zone), wall(hour + HOUR, zone)
        if ends.date() >= day or ends - begins != HOUR:
            seconds = (hour + n * SECOND for n in range(1, 3601))
            found = next((second for second in seconds if wall(second, zone).date() >= day), None)
            if found:
                return found
        hour += HOUR


@examples(150)
@given(st.data(), clocks)
def test_no_window_below_a_day_holds_two_local_dates(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """The local date is the same from a window's first to its last second, also in between."""
    zone, instant = clock
    grid = calendar(data.draw(st.sampled_from(BELOW_A_DAY[1:])), zone)
    for window in islice(grid.cut(Window(instant, instant + 3 * DAY)), 300):
        last = window.end - SECOND
        looks = (min(window.start + n * 15 * MINUTE, last) for n in range(int(window.seconds // 900) + 2))
        assert {wall(look, zone).date() for look in looks} == {wall(window.start, zone).date()}


@examples(200)
@given(st.data(), clocks)
def test_ticks_do_not_depend_on_where_one_starts_to_look(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """From any restart point, on a tick, just before it or between, the later ticks are the same."""
    zone, instant = clock
    grid = data.draw(grids(zone))
    end = instant + reach(grid_granularity(grid))
    ticks = list(takewhile(lambda tick: tick < end, grid.ticks(instant)))
    restart = data.draw(
        st.integers(0, int((end - instant).total_seconds())).map(lambda n: instant + n * SECOND)
    )
    restart = data.draw(st.sampled_from([restart, *(tick - SECOND for tick in ticks), *ticks]))
    again = takewhile(lambda tick: tick < end, grid.ticks(restart))
    assert list(again) == [tick for tick in ticks if tick > restart]


@examples(100)
@given(clocks, st.sampled_from(("1d", "2d", "1w")))
def test_days_begin_once_wherever_one_starts_to_look(
    clock: tuple[ZoneInfo, datetime], granularity: str
) -> None:
    """Also when one starts in the evening that the clocks show once more after the next day had begun."""
    zone, instant = clock
    grid = calendar(granularity, zone)
    end = instant + reach(grid.granularity)
    ticks = list(takewhile(partial(gt, end), grid.ticks(instant)))
    for restart in (instant + n * HOUR for n in range(72)):
        assert next(grid.ticks(restart)) == next(tick for tick in ticks if tick > restart)


def test_a_day_is_not_begun_again_from_a_start_in_its_repeated_evening() -> None:
    """St John's, 2010-11-06 23:15 for the second time: after the 7th the next to begin is the 8th."""
    tick = next(calendar("1d", ZoneInfo("America/St_Johns")).ticks(datetime(2010, 11, 7, 2, 45, tzinfo=UTC)))
    assert tick == datetime(2010, 11, 8, 3, 30, tzinfo=UTC)


def grid_granularity(grid: Grid) -> Granularity:
    assert isinstance(grid, CalendarGrid | FixedGrid)
    return grid.granularity


@examples(150)
@given(st.data(), clocks)
def test_a_window_without_a_clock_change_is_exactly_as_long_as_asked(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """Between two ticks with one offset lies the granularity, or less where midnight cuts it."""
    zone, instant = clock
    grid = calendar(data.draw(st.sampled_from(BELOW_A_DAY)), zone)
    for start, end in islice(pairwise(grid.ticks(instant)), 60):
        looks = (start + n * HOUR - SECOND for n in range(int((end - start) / HOUR) + 1))
        if {offset(look, zone) for look in looks} == {offset(end, zone)}:
            assert end - start <= grid.granularity.length
            assert end - start == grid.granularity.length or wall(end, zone).time() == datetime.min.time()


@pytest.mark.parametrize("part", range(4))
def test_every_clock_change_of_every_zone_is_cut_well(part: int) -> None:
    """Around each change since 1800: contiguous 2h windows, cut at the date, 1 to 3 h at a change of 1 h."""
    for name in distinct_names()[part::4]:
        for change in changes(name):
            check_two_days_around(change, ZoneInfo(name))


def check_two_days_around(change: datetime, zone: ZoneInfo) -> None:
    """Every tick from a day before to a day after shows a multiple of 2h or a new date."""
    ticks = list(takewhile(partial(gt, change + DAY), calendar("2h", zone).ticks(change - DAY)))
    assert len(ticks) in range(18, 29), (zone, change)
    for start, end in pairwise(ticks):
        shown = wall(start, zone)
        multiple = not (shown.hour % 2 or shown.minute or shown.second)
        assert start < end
        assert shown.date() == wall(end - SECOND, zone).date(), (zone, start)
        assert multiple or shown.date() != wall(start - SECOND, zone).date(), (zone, start)
        if start <= change <= end and an_hour(change, zone):
            assert HOUR <= end - start <= 3 * HOUR, (zone, start)


def an_hour(change: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock moves by an hour, and not back over midnight."""
    before, after = wall(change - SECOND, zone), wall(change, zone)
    return abs(offset(change, zone) - offset(change - SECOND, zone)) == HOUR and before.date() <= after.date()


def distinct_names() -> list[str]:
    """One name for each content of a tz file: hundreds of names are aliases."""
    return list({tz_file(name): name for name in NAMES}.values())


@examples(150)
@given(st.data(), clocks)
def test_a_fixed_grid_knows_no_clock(data: st.DataObject, clock: tuple[ZoneInfo, datetime]) -> None:
    """Every window of a fixed grid is exactly as long, on multiples since 1970 or on the week's first day."""
    granularity = Granularity.parse(data.draw(st.sampled_from((*BELOW_A_DAY, *OF_DAYS, "36h"))))
    week_start = data.draw(st.integers(0, 6))
    ticks = list(islice(FixedGrid(granularity, week_start).ticks(clock[1]), 4))
    assert clock[1] < ticks[0] <= clock[1] + granularity.length
    assert {after - before for before, after in pairwise(ticks)} == {granularity.length}
    if granularity.unit == "w":
        assert all((tick.weekday(), tick.time()) == (week_start, datetime.min.time()) for tick in ticks)
    else:
        assert not (ticks[0] - datetime(1970, 1, 1, tzinfo=UTC)) % granularity.length


@examples(50)
@given(real_clocks(), st.sampled_from(BELOW_A_DAY + OF_DAYS))
def test_ticks_after_an_instant_in_local_time_are_in_utc(
    clock: tuple[ZoneInfo, datetime], granularity: str
) -> None:
    """An instant may be given in any zone; ticks are plain UTC datetimes."""
    zone, instant = clock
    grid = calendar(granularity, zone)
    tick = next(grid.ticks(instant.astimezone(zone)))
    assert tick == next(grid.ticks(instant))
    assert tick.tzinfo is UTC

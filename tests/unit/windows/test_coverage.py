"""What is covered, what is not, and the windows that are still missing."""

import time
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise, takewhile
from operator import ge
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import (
    CalendarGrid,
    Granularity,
    Grid,
    GridHistory,
    Window,
    holes,
    missing,
    overlaps,
)
from tests.unit.windows.clocks import DAY, HOUR, SECOND, clocks, examples, grids

NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2013, 3, 9, 5, tzinfo=UTC)


def history_of(grid: Grid) -> GridHistory:
    return GridHistory(((None, grid),))


def every(granularity: str) -> GridHistory:
    return history_of(CalendarGrid(Granularity.parse(granularity), NEW_YORK, date(2013, 1, 1)))


def hours(*spans: tuple[float, float]) -> list[Window]:
    return [Window(START + start * HOUR, START + end * HOUR) for start, end in spans]


@st.composite
def covered_spans(draw: st.DrawFn, start: datetime) -> list[Window]:
    """Spans before, around and after `start`, in any order, overlapping or not, on no grid at all."""
    pairs = draw(st.lists(st.tuples(st.integers(-100_000, 400_000), st.integers(1, 90_000)), max_size=8))
    return [Window(start + at * SECOND, start + (at + length) * SECOND) for at, length in pairs]


@examples(200)
@given(st.data(), clocks)
def test_missing_windows_and_covered_spans_leave_nothing_that_could_be_cut(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """In order, disjoint from what is covered, within start, watermark and end; what is left is not ready."""
    zone, start = clock
    grid, covered = data.draw(grids(zone)), data.draw(covered_spans(start))
    until = start + data.draw(st.integers(-1000, 400_000)) * SECOND
    end = data.draw(st.none() | st.integers(-1000, 400_000).map(lambda seconds: start + seconds * SECOND))
    found = list(missing(history_of(grid), covered, start, until, end))
    assert all(start <= window.start and window.end <= until for window in found)
    assert end is None or all(window.end <= end for window in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert not [window for window in found if any(window.overlaps(span) for span in covered)]
    for left in holes([*covered, *found], start, until if end is None else min(until, end)):
        edges = {span.start for span in covered} | {end}
        cuts = takewhile(partial(ge, left.end), grid.ticks(left.start))
        assert not list(cuts)
        assert left.end == until
        assert until not in edges


@examples(150)
@given(st.data(), clocks)
def test_missing_windows_are_cut_at_the_grid_alone(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """A window ends at a tick, at `end` or where something covered begins, and no tick lies inside it."""
    zone, start = clock
    grid, covered = data.draw(grids(zone)), data.draw(covered_spans(start))
    end = start + 300_000 * SECOND
    starts = {start, *(span.end for span in covered)}
    ends = {end, *(span.start for span in covered)}
    for window in missing(history_of(grid), covered, start, end + DAY, end):
        ticks = grid.ticks(window.start - SECOND)
        first = next(ticks)
        after = first if first > window.start else next(ticks)
        assert window.start == first or window.start in starts
        assert window.end == after or (window.end < after and window.end in ends)


@examples(150)
@given(st.data(), clocks)
def test_holes_in_any_pattern_are_filled_with_the_very_windows_that_lack(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """Take any windows out and shuffle the rest: exactly those that were taken out are missing."""
    zone, start = clock
    history = history_of(data.draw(grids(zone)))
    until = start + data.draw(st.integers(1, 300_000)) * SECOND
    everything = list(missing(history, [], start, until))[:60]
    kept = data.draw(st.lists(st.sampled_from(everything), unique=True)) if everything else []
    lacking = [window for window in everything if window not in kept]
    last = everything[-1].end if everything else start
    assert list(missing(history, kept, start, last)) == lacking


@examples(150)
@given(st.data(), clocks)
def test_one_go_and_many_give_the_same_windows(data: st.DataObject, clock: tuple[ZoneInfo, datetime]) -> None:
    """Whenever the generator wakes up on the way, the windows are those of one late run."""
    zone, start = clock
    history, covered = history_of(data.draw(grids(zone))), data.draw(covered_spans(start))
    end = data.draw(st.none() | st.just(start + 200_000 * SECOND))
    watermarks = data.draw(st.lists(st.integers(0, 300_000), min_size=1, max_size=6).map(sorted))
    added: list[Window] = []
    for seconds in watermarks:
        until = start + seconds * SECOND
        added += missing(history, data.draw(st.permutations([*covered, *added][:200])), start, until, end)
        if len(added) + len(covered) > 200:
            return
    once = list(missing(history, covered, start, start + watermarks[-1] * SECOND, end))
    assert sorted(added) == once


def test_no_window_ends_after_the_watermark() -> None:
    """A window is ready at the very instant of its end, not a microsecond earlier."""
    two = START + 2 * HOUR
    assert list(missing(every("2h"), [], START, two)) == hours((0, 2))
    assert list(missing(every("2h"), [], START, two - timedelta(microseconds=1))) == []


def test_the_last_window_is_cut_at_the_end() -> None:
    """`end` in the middle of a window makes a shorter last one, ready when the watermark reaches `end`."""
    end = START + 3 * HOUR
    assert list(missing(every("2h"), [], START, START + DAY, end)) == hours((0, 2), (2, 3))
    assert list(missing(every("2h"), [], START, end - SECOND, end)) == hours((0, 2))


def test_a_later_end_continues_where_the_shorter_window_ended() -> None:
    """Moving `end` never doubles an instant: the rest of the cut window becomes one of its own."""
    done = hours((0, 2), (2, 3))
    assert list(missing(every("2h"), done, START, START + 6 * HOUR)) == hours((3, 4), (4, 6))


def test_an_earlier_start_fills_what_lies_before() -> None:
    """Moving `start` back adds windows up to the first old one and touches none."""
    found = missing(every("2h"), hours((0, 2)), START - 3 * HOUR, START + 2 * HOUR)
    assert list(found) == hours((-3, -2), (-2, 0))


def test_a_hole_that_ends_in_mid_window_ends_where_the_covered_span_begins() -> None:
    """A window never crosses what is covered, also where that lies on no grid."""
    found = missing(every("2h"), hours((1, 5), (7.5, 8)), START, START + 8 * HOUR)
    assert list(found) == hours((0, 1), (5, 6), (6, 7.5))


def test_coverage_beyond_the_watermark_does_not_pull_windows_forward() -> None:
    """A hole that reaches past the watermark is filled only as far as whole windows are ready."""
    found = missing(every("2h"), hours((6, 8)), START, START + 5 * HOUR)
    assert list(found) == hours((0, 2), (2, 4))


@pytest.mark.parametrize("until", [-1, 0])
def test_nothing_is_missing_before_the_start(until: int) -> None:
    """A watermark at or before the start leaves nothing to do, as does an end before it."""
    assert list(missing(every("2h"), [], START, START + until * HOUR)) == []
    assert list(missing(every("2h"), [], START, START + DAY, START + until * HOUR)) == []


def test_missing_windows_are_found_one_at_a_time() -> None:
    """A far watermark costs nothing until its windows are asked for."""
    found = missing(every("1m"), [], START, datetime(9000, 1, 1, tzinfo=UTC))
    assert next(found) == Window(START, START + timedelta(minutes=1))


def test_a_hundred_thousand_holes_take_seconds() -> None:
    """Each hole costs the same, however many there are; a scan of all coverage for each would take hours."""
    covered = [Window(START + 2 * n * HOUR, START + (2 * n + 1) * HOUR) for n in range(100_000)]
    began = time.perf_counter()
    assert sum(1 for _ in missing(every("1h"), covered, START, covered[-1].end)) == 99_999
    assert time.perf_counter() - began < 20


def test_a_year_of_minutes_takes_about_a_second() -> None:
    """525,600 windows in one go; 0.4 s on two idle cores, the limit leaves room for busy machines."""
    began = time.perf_counter()
    year = missing(every("1m"), [], datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2014, 1, 1, 5, tzinfo=UTC))
    assert sum(1 for _ in year) == 525_600
    assert time.perf_counter() - began < 5


@examples(200)
@given(st.data())
def test_holes_are_exactly_the_uncovered_seconds(data: st.DataObject) -> None:
    """A model with one flag for each hour agrees on what is covered by none, by one and by more."""
    pairs = data.draw(st.lists(st.tuples(st.integers(-5, 30), st.integers(1, 12)), max_size=8))
    spans = hours(*((start, start + length) for start, length in pairs))
    times = [sum(START + n * HOUR in span for span in spans) for n in range(24)]
    found = list(holes(spans, START, START + 24 * HOUR))
    twice = list(overlaps(spans))
    for n in range(24):
        instant = START + n * HOUR
        assert any(instant in hole for hole in found) == (times[n] == 0)
        assert any(instant in overlap for overlap in twice) == (times[n] > 1)
    assert all(before.end < after.start for before, after in pairwise(found))


def test_holes_accept_instants_of_any_zone() -> None:
    """Bounds may be local; holes are in UTC."""
    (hole,) = holes([], START.astimezone(NEW_YORK), START + HOUR)
    assert (hole, hole.start.tzinfo) == (Window(START, START + HOUR), UTC)
    assert list(holes([], START, START)) == []


def test_windows_that_touch_do_not_overlap() -> None:
    """Half-open windows may follow each other exactly; a shared instant is an overlap."""
    assert list(overlaps(hours((0, 2), (2, 4)))) == []
    assert list(overlaps(hours((2, 4), (0, 3)))) == hours((2, 3))
    assert list(overlaps(hours((0, 9), (1, 2), (3, 4)))) == hours((1, 2), (3, 4))

"""Which grid was in force when, and how one follows another."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise, takewhile
from operator import gt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import (
    CalendarGrid,
    FixedGrid,
    Granularity,
    Grid,
    GridHistory,
    Window,
    missing,
)
from tests.unit.windows.clocks import DAY, HOUR, NAMES, SECOND, examples, grids, real_clocks

NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2013, 3, 9, 5, tzinfo=UTC)


def calendar(granularity: str, zone: str = "America/New_York") -> CalendarGrid:
    return CalendarGrid(Granularity.parse(granularity), ZoneInfo(zone), date(2013, 1, 1))


def only(grid: Grid) -> GridHistory:
    return GridHistory(((None, grid),))


@st.composite
def histories(draw: st.DrawFn, zone: ZoneInfo, start: datetime) -> GridHistory:
    """Up to four grids, each in force for some hours or days after `start`."""
    history, at = GridHistory(((None, draw(grids(zone))),)), start
    for hours in draw(st.lists(st.integers(1, 100), max_size=3)):
        at += hours * HOUR + draw(st.integers(0, 3599)) * SECOND
        other = ZoneInfo(draw(st.sampled_from(NAMES)))
        history = history.followed_by(draw(grids(draw(st.sampled_from([zone, other])))), at)
    return history


@examples(100)
@given(st.data(), real_clocks())
def test_a_history_is_read_back_from_its_text(data: st.DataObject, clock: tuple[ZoneInfo, datetime]) -> None:
    """The text in the control table has one line for each grid and gives back an equal history."""
    history = data.draw(histories(*clock))
    assert GridHistory.parse(history.text()) == history
    assert len(history.text().splitlines()) == len(history.entries)


def test_the_text_of_a_history_is_readable() -> None:
    """A person sees which grid was in force since when."""
    history = only(calendar("2h")).followed_by(FixedGrid(Granularity.parse("1h")), START)
    assert history.text() == (
        "first: calendar 2h America/New_York from 2013-01-01\nsince 2013-03-09T05:00:00Z: fixed 1h"
    )


@examples(100)
@given(st.data(), real_clocks())
def test_each_stretch_is_cut_by_the_grid_in_force(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """A span is covered without gap or overlap, and inside each stretch the cuts are its own grid's ticks."""
    zone, start = clock
    history = data.draw(histories(zone, start))
    windows = list(history.cut(Window(start, start + data.draw(st.integers(1, 100)) * HOUR)))
    assert all(before.end == after.start for before, after in pairwise(windows))
    changes = {since for since, _ in history.entries if since is not None}
    for window in windows:
        grid = history.grid_at(window.start)
        assert grid == history.grid_at(window.end - SECOND)
        assert not list(takewhile(partial(gt, window.end), grid.ticks(window.start)))
    for window in windows[:-1]:
        grid = history.grid_at(window.end - SECOND)
        assert window.end in changes or next(grid.ticks(window.end - SECOND)) == window.end


@examples(100)
@given(st.data(), real_clocks())
def test_a_new_grid_starts_where_the_last_old_window_ends(
    data: st.DataObject, clock: tuple[ZoneInfo, datetime]
) -> None:
    """Grids change while windows are added: none is doubled or lost, and the history tells them all again."""
    zone, start = clock
    history, done, now = only(data.draw(grids(zone))), list[Window](), start
    for hours in data.draw(st.lists(st.integers(0, 60), min_size=2, max_size=4)):
        now += hours * HOUR
        done += missing(history, done, start, now)
        at, grid = (done[-1].end if done else start), data.draw(grids(zone))
        history = history.followed_by(grid, at)
        bridge = next(history.cut(Window(at, at + 100 * DAY)))
        assert bridge == Window(at, next(grid.ticks(at)))
    assert all(before.end == after.start for before, after in pairwise(done))
    assert list(missing(history, [], start, done[-1].end if done else start)) == done


def test_a_bridging_window_leads_from_odd_hours_to_even_ones() -> None:
    """From 3h to 2h at 09:00: one window of an hour, then even hours."""
    history = only(calendar("3h")).followed_by(calendar("2h"), START + 9 * HOUR)
    windows = list(history.cut(Window(START + 6 * HOUR, START + 14 * HOUR)))
    assert [window.interval for window in windows] == ["3h", "1h", "2h", "2h"]


def test_a_new_timezone_bridges_to_its_own_midnight() -> None:
    """From New York to Paris days: the day in which it changed is 18 hours long."""
    history = only(calendar("1d")).followed_by(calendar("1d", "Europe/Paris"), START)
    windows = list(history.cut(Window(START - DAY, START + 3 * DAY)))
    assert [window.interval for window in windows[:3]] == ["1d", "18h", "1d"]


def test_a_hole_of_an_earlier_time_is_cut_by_the_grid_of_that_time() -> None:
    """Filling in the past after a change of granularity still gives the old windows."""
    history = only(calendar("3h")).followed_by(calendar("2h"), START + 9 * HOUR)
    everything = list(missing(history, [], START, START + DAY))
    left = [window for window in everything if window.start != START + 3 * HOUR]
    assert list(missing(history, left, START, START + DAY)) == [Window(START + 3 * HOUR, START + 6 * HOUR)]


def test_the_same_grid_changes_nothing() -> None:
    """Starting again with an unchanged configuration leaves the history as it is."""
    history = only(calendar("2h"))
    assert history.followed_by(calendar("2h"), START) == history
    changed = history.followed_by(calendar("1h"), START)
    assert changed.followed_by(calendar("1h"), START + DAY) == changed


def test_the_same_grid_is_known_by_its_text() -> None:
    """A zone object that was made anew is still the same zone."""
    fresh = CalendarGrid(Granularity.parse("2h"), ZoneInfo.no_cache("America/New_York"), date(2013, 1, 1))
    assert only(calendar("2h")).followed_by(fresh, START) == only(calendar("2h"))


def test_a_grid_that_never_cut_a_window_drops_out() -> None:
    """Changed twice before a window was added: only the last change is remembered, or none."""
    history = only(calendar("2h"))
    changed = history.followed_by(calendar("1h"), START)
    assert changed.followed_by(calendar("3h"), START) == history.followed_by(calendar("3h"), START)
    assert changed.followed_by(calendar("2h"), START) == history


@pytest.mark.parametrize(("minutes", "granularity"), [(-1, "2h"), (0, "1h"), (1, "1h")])
def test_a_grid_is_in_force_from_its_first_instant(minutes: int, granularity: str) -> None:
    """Half-open like windows: at the very change the new grid holds."""
    history = only(calendar("2h")).followed_by(calendar("1h"), START)
    assert history.grid_at(START + timedelta(minutes=minutes)) == calendar(granularity)


def test_instants_of_a_history_may_be_local() -> None:
    """`since` is kept in UTC, whatever zone it was given in."""
    local = only(calendar("2h")).followed_by(calendar("1h"), START.astimezone(NEW_YORK))
    assert local == only(calendar("2h")).followed_by(calendar("1h"), START)
    assert local.entries[1][0] == START
    assert local.text().splitlines()[1].startswith("since 2013-03-09T05:00:00Z: ")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "begins with a grid"),
        ("since 2013-03-09T05:00:00Z: fixed 1h", "begins with a grid"),
        ("first: fixed 1h\nfirst: fixed 2h", "ascending"),
        (
            "first: fixed 1h\nsince 2013-03-09T05:00:00Z: fixed 2h\nsince 2013-03-09T05:00:00Z: fixed 3h",
            "ascending",
        ),
        ("first: fixed 1h\nfixed 2h", "begins neither with"),
        ("first: fixed 1h\nsince 2013-03-09T05:00:00Z", "begins neither with"),
        ("first: fixed 1h\nsince 2013-03-09T05:00:00: fixed 2h", "no timezone"),
        ("first: fixed 1h\nsince yesterday: fixed 2h", "yesterday"),
        ("first: hourly", "not understood"),
    ],
)
def test_text_that_is_no_history_is_refused_in_a_sentence(text: str, complaint: str) -> None:
    """A damaged history is never half read."""
    with pytest.raises(ValueError, match=complaint):
        GridHistory.parse(text)

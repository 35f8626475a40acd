"""Grids as text and as values, and what they cost."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import CalendarGrid, FixedGrid, Granularity, Grid, Window
from tests.unit.windows.clocks import NAMES, examples, grids

ORIGIN = date(2013, 1, 1)


def calendar(granularity: str, zone: ZoneInfo, origin: date = ORIGIN) -> CalendarGrid:
    return CalendarGrid(Granularity.parse(granularity), zone, origin)


@examples(200)
@given(st.data(), st.sampled_from(NAMES))
def test_a_grid_is_read_back_from_its_text(data: st.DataObject, name: str) -> None:
    """`Grid.parse` turns the text of any grid into an equal grid."""
    grid = data.draw(grids(ZoneInfo(name)))
    assert Grid.parse(grid.text()) == grid


def test_the_text_of_a_grid_is_readable() -> None:
    """The control table shows what cuts the windows in plain words."""
    zone = ZoneInfo("America/New_York")
    assert calendar("2h", zone).text() == "calendar 2h America/New_York from 2013-01-01"
    sundays = CalendarGrid(Granularity.parse("1w"), zone, ORIGIN, week_start=6)
    assert sundays.text() == "calendar 1w America/New_York from 2013-01-01, weeks from Sunday"
    assert FixedGrid(Granularity.parse("36h")).text() == "fixed 36h"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not understood"),
        ("hourly", "not understood"),
        ("calendar 2h", "not understood"),
        ("fixed 2h Europe/Paris from 2013-01-01", "not understood"),
        ("calendar 2h Europe/Pariss from 2013-01-01", "no timezone 'Europe/Pariss'"),
        ("calendar 2h ../Paris from 2013-01-01", "no timezone '../Paris'"),
        ("calendar 2h Europe from 2013-01-01", "no timezone 'Europe'"),
        ("calendar 25h Europe/Paris from 2013-01-01", "above 24 hours"),
        ("calendar 1d Europe/Paris from 2013-02-30", "day"),
        ("fixed 0h", "at least 1h"),
        ("fixed 1w, weeks from Someday", "not understood"),
    ],
)
def test_text_that_describes_no_grid_is_refused_in_a_sentence(text: str, complaint: str) -> None:
    """A damaged grid in the control table is named, not guessed."""
    with pytest.raises(ValueError, match=complaint):
        Grid.parse(text)


@pytest.mark.parametrize("week_start", [-1, 7])
def test_a_week_starts_on_one_of_seven_days(week_start: int) -> None:
    """0 is Monday, 6 is Sunday; nothing else is a day."""
    with pytest.raises(ValueError, match="no day of the week"):
        FixedGrid(Granularity.parse("1w"), week_start)
    with pytest.raises(ValueError, match="no day of the week"):
        CalendarGrid(Granularity.parse("1w"), ZoneInfo("UTC"), ORIGIN, week_start)


def test_grids_that_cut_alike_are_equal_whatever_the_week_start() -> None:
    """The first day of the week says nothing about hours and days."""
    assert FixedGrid(Granularity.parse("2h"), 6) == FixedGrid(Granularity.parse("2h"))
    assert calendar("1d", ZoneInfo("UTC")) == CalendarGrid(
        Granularity.parse("1d"), ZoneInfo("UTC"), ORIGIN, week_start=6
    )


class CountingZone(ZoneInfo):
    """Counts how often somebody looks at its clock."""

    looks = 0

    def fromutc(self, moment: datetime, /) -> datetime:
        CountingZone.looks += 1
        return super().fromutc(moment)


@pytest.mark.parametrize("granularity", ["1m", "2h", "1d", "1w"])
def test_the_next_tick_is_found_near_by(granularity: str) -> None:
    """Ticks a century after the origin cost a few looks at the clock, not a walk from there."""
    grid = calendar(granularity, CountingZone.no_cache("America/New_York"), date(1925, 1, 1))
    CountingZone.looks = 0
    next(grid.ticks(datetime(2037, 6, 1, 12, 34, 56, 789, tzinfo=UTC)))
    assert 0 < CountingZone.looks < 120


@pytest.mark.parametrize(
    "grid", [calendar("1d", ZoneInfo("Asia/Tokyo")), FixedGrid(Granularity.parse("500w"))]
)
def test_the_ends_of_the_calendar_end_the_ticks(grid: Grid) -> None:
    """`end: 9999-12-31` and `start: 0001-01-01` are only very long spans."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert next(grid.ticks(first)).year in range(1, 11)
    assert list(grid.ticks(last)) == []
    assert [window.end for window in grid.cut(Window(last - timedelta(days=90_000), last))][-1] == last

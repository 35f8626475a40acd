"""How far back the watermark lies."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import TimeBack, zone_named
from tests.unit.windows.clocks import DAY, HOUR, SECOND, changes, clocks, examples, offset, real_clocks, wall

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("lag", "now", "hours"),
    [
        ("1d", "2013-03-10T12:00", 23),
        ("24h", "2013-03-10T12:00", 24),
        ("1d", "2013-11-03T12:00", 25),
        ("24h", "2013-11-03T12:00", 24),
        ("1d", "2013-03-11T12:00", 24),
        ("1w", "2013-03-12T12:00", 167),
        ("7d", "2013-11-05T12:00", 169),
        ("168h", "2013-11-05T12:00", 168),
        ("90m", "2013-03-10T03:00", 1.5),
        ("0d", "2013-11-03T12:00", 0),
        ("0s", "2013-11-03T12:00", 0),
    ],
)
def test_days_are_calendar_days_and_hours_are_elapsed(lag: str, now: str, hours: float) -> None:
    """Across a clock change 1d is 23 or 25 hours, while 24h is always 24."""
    instant = datetime.fromisoformat(now).replace(tzinfo=NEW_YORK)
    before = TimeBack.parse(lag).before(instant, NEW_YORK)
    assert instant.astimezone(UTC) - before == timedelta(hours=hours)
    assert before.tzinfo is UTC


@examples(300)
@given(real_clocks(), st.integers(1, 20))
def test_days_back_show_the_same_time_of_an_earlier_date(clock: tuple[ZoneInfo, datetime], days: int) -> None:
    """The local clock showed the same, unless that time was skipped or the present hour is a repeated one."""
    zone, now = clock
    shown, then = wall(now, zone) - days * DAY, TimeBack(days, "d").before(now, zone)
    if wall(then, zone) != shown:
        skipped = wall(then - SECOND, zone) < shown < wall(then, zone)
        ended = (wall(change - SECOND, zone) for change in changes(zone.key) if change <= now)
        repeated = any(end >= wall(now, zone) for end in ended)
        assert skipped or repeated


@examples(150)
@given(clocks, st.integers(0, 20), st.sampled_from("smhddww"))
def test_the_watermark_never_goes_back(clock: tuple[ZoneInfo, datetime], amount: int, unit: str) -> None:
    """Later is never less: what was ready once stays ready, also while the clocks go back."""
    zone, now = clock
    moments = [now + n * 600 * SECOND for n in range(-12, 24)]
    watermarks = [TimeBack(amount, unit).before(moment, zone) for moment in moments]
    assert watermarks == sorted(watermarks)
    assert all(watermark <= moment for watermark, moment in zip(watermarks, moments, strict=True))
    assert amount or watermarks == moments


@examples(200)
@given(real_clocks(), st.integers(1, 20))
def test_days_back_differ_from_elapsed_days_by_clock_changes_only(
    clock: tuple[ZoneInfo, datetime], days: int
) -> None:
    """The lag lies between the elapsed days and these plus what the clock moved in between."""
    zone, now = clock
    then = TimeBack(days, "d").before(now, zone)
    looks = [offset(now - n * HOUR, zone) for n in range(days * 24 + 49)]
    moved = max(looks) - min(looks)
    assert days * DAY - moved <= now - then <= days * DAY + moved


def test_the_watermark_waits_in_a_repeated_hour() -> None:
    """The second 01:30 of 3 November has the watermark of the end of the first hour: yesterday's 02:00."""
    lag = TimeBack.parse("1d")
    first, second = (datetime(2013, 11, 3, hour, 30, tzinfo=UTC) for hour in (5, 6))
    assert lag.before(first, NEW_YORK) == datetime(2013, 11, 2, 5, 30, tzinfo=UTC)
    assert lag.before(second, NEW_YORK) == datetime(2013, 11, 2, 6, 0, tzinfo=UTC)


def test_a_skipped_time_is_where_the_clock_jumped() -> None:
    """A day before 02:30 on 11 March there was no 02:30; 03:00 came at once after 02:00."""
    now = datetime(2013, 3, 11, 2, 30, tzinfo=NEW_YORK)
    assert TimeBack.parse("1d").before(now, NEW_YORK) == datetime(2013, 3, 10, 7, tzinfo=UTC)


def test_a_repeated_time_is_where_it_first_came() -> None:
    """A day before 01:30 on 4 November there were two; the earlier is the careful one."""
    now = datetime(2013, 11, 4, 1, 30, tzinfo=NEW_YORK)
    assert TimeBack.parse("1d").before(now, NEW_YORK) == datetime(2013, 11, 3, 5, 30, tzinfo=UTC)


@pytest.mark.parametrize("year", [1, 9999])
def test_a_time_at_the_end_of_the_calendar_is_refused_in_a_sentence(year: int) -> None:
    """`--now 9999-12-31` is a mistake, not an overflow."""
    with pytest.raises(ValueError, match="too far away to count 1d back"):
        TimeBack.parse("1d").before(datetime(year, 6, 1, tzinfo=UTC), NEW_YORK)


@pytest.mark.parametrize("name", ["Nowhere/Land", "", "/etc/passwd", "../UTC", "America", "New York"])
def test_an_unknown_zone_is_refused_in_a_sentence(name: str) -> None:
    """Whatever the standard library raises for it, the message names the zone and an example."""
    with pytest.raises(ValueError, match="There is no timezone"):
        zone_named(name)

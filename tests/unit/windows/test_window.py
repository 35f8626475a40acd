"""A window is its two UTC instants."""

import pickle
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import Window, instant_text
from tests.unit.windows.clocks import clocks, examples

START = datetime(2013, 3, 10, 5, tzinfo=UTC)


def lasting(**length: float) -> Window:
    return Window(START, START + timedelta(**length))


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (lasting(hours=2), "2h"),
        (lasting(minutes=90), "1h30m"),
        (lasting(hours=23), "23h"),
        (lasting(hours=24), "1d"),
        (lasting(hours=25), "25h"),
        (lasting(days=7), "7d"),
        (lasting(days=7, hours=-1), "167h"),
        (lasting(hours=23, minutes=56, seconds=2), "23h56m2s"),
        (lasting(minutes=15), "15m"),
        (lasting(seconds=10), "10s"),
        (lasting(seconds=100), "1m40s"),
        (lasting(milliseconds=500), "0.5s"),
        (lasting(microseconds=1), "0.000001s"),
    ],
)
def test_interval_is_the_real_length(window: Window, text: str) -> None:
    """The column time_interval shows elapsed time, days only where they are exactly 24 hours each."""
    assert window.interval == text


def test_text_is_both_instants_in_utc() -> None:
    """A window prints as an ISO-8601 interval with Z, microseconds only where there are any."""
    assert str(lasting(hours=2)) == "2013-03-10T05:00:00Z/2013-03-10T07:00:00Z"
    assert instant_text(START + timedelta(microseconds=5)) == "2013-03-10T05:00:00.000005Z"


def test_instants_of_any_zone_become_utc() -> None:
    """Two windows are equal when their instants are, however these were written."""
    zone = ZoneInfo("America/New_York")
    window = Window(datetime(2013, 3, 10, 0, tzinfo=zone), datetime(2013, 3, 10, 3, tzinfo=zone))
    assert window == lasting(hours=2)
    assert hash(window) == hash(lasting(hours=2))
    assert (window.start.tzinfo, window.seconds) == (UTC, 7200.0)


def test_a_repeated_hour_is_two_hours() -> None:
    """The same wall-clock time, before and after the clocks went back, bounds an hour."""
    zone = ZoneInfo("America/New_York")
    first = datetime(2013, 11, 3, 1, 30, tzinfo=zone)
    assert Window(first, first.replace(fold=1)).interval == "1h"


def test_times_of_other_libraries_become_plain_datetimes() -> None:
    """A pendulum time is kept as the standard library's, so that hashes, text and pickles agree."""
    start = pendulum.datetime(2013, 3, 10, 1, tz="America/New_York")
    window = Window(start.subtract(hours=1), start.add(hours=1))
    assert type(window.start) is datetime
    assert window == lasting(hours=2)
    assert pickle.loads(pickle.dumps(window)) == window  # noqa: S301 - our own bytes


@pytest.mark.parametrize("end", [START, START - timedelta(seconds=1)])
def test_a_window_without_time_in_it_is_refused(end: datetime) -> None:
    """Empty and backward windows cannot be made."""
    with pytest.raises(ValueError, match="must end after it starts"):
        Window(START, end)


def test_a_time_without_a_zone_is_refused() -> None:
    """A naive time could mean any instant."""
    with pytest.raises(ValueError, match="has no timezone"):
        Window(START, START.replace(tzinfo=None) + timedelta(hours=2))


def test_a_time_that_utc_cannot_express_is_refused_in_a_sentence() -> None:
    """The last hours of the year 9999 west of Greenwich are the year 10000 in UTC."""
    with pytest.raises(ValueError, match="outside the years"):
        Window(START, datetime(9999, 12, 31, 23, tzinfo=ZoneInfo("America/New_York")))


def test_a_window_holds_its_start_and_not_its_end() -> None:
    """Half-open: each instant belongs to one of two windows that touch."""
    window = lasting(hours=2)
    assert window.start in window
    assert window.end - timedelta(microseconds=1) in window
    assert window.end not in window
    assert window.start - timedelta(microseconds=1) not in window


@examples(100)
@given(clocks, st.integers(-300, 300), st.integers(1, 300), st.integers(1, 300))
def test_windows_overlap_when_an_instant_is_in_both(
    clock: tuple[ZoneInfo, datetime], shift: int, first: int, second: int
) -> None:
    """`overlaps` says what looking for a shared second says, in both directions, whatever the zone."""
    zone, instant = clock
    one = Window(instant.astimezone(zone), instant + timedelta(seconds=first))
    other = Window(instant + timedelta(seconds=shift), instant + timedelta(seconds=shift + second))
    shared = any(instant + timedelta(seconds=n) in one for n in range(shift, shift + second))
    assert one.overlaps(other) == other.overlaps(one) == shared


def test_windows_sort_by_start_then_end() -> None:
    """Order is time."""
    short, long, later = (
        lasting(hours=1),
        lasting(hours=2),
        Window(START + timedelta(1), START + timedelta(2)),
    )
    assert sorted([later, long, short]) == [short, long, later]

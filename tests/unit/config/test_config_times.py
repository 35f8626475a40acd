"""Times of the configuration and the command line."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.config import times

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2013-01-01", "2013-01-01T05:00:00+00:00"),
        (date(2013, 1, 1), "2013-01-01T05:00:00+00:00"),
        (datetime.fromisoformat("2013-01-01"), "2013-01-01T05:00:00+00:00"),
        ("2013-07-01 00:30", "2013-07-01T04:30:00+00:00"),
        ("2013-01-01T05:00:00Z", "2013-01-01T05:00:00+00:00"),
        ("2013-01-01 05:00:00 -05:00", "2013-01-01T10:00:00+00:00"),
        ("2013-01-01 05:00:00.25 Z", "2013-01-01T05:00:00.250000+00:00"),
        (datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2012-12-31T22:00:00+00:00"),
    ],
)
def test_times_are_local_unless_they_have_an_offset(value: object, expected: str) -> None:
    """Dates, datetimes and ISO-8601 text of the same instant are equal."""
    instant = times.instant(value, NEW_YORK)
    assert instant.isoformat() == expected
    assert instant.tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("America/New_York", "2013-03-10T02:30", "2013-03-10T07:00:00+00:00"),  # skipped: the jump itself
        ("America/New_York", "2013-11-03T01:30", "2013-11-03T05:30:00+00:00"),  # twice: the first
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00+00:00"),  # a whole day that never was
        ("Australia/Lord_Howe", "2024-10-06T02:15", "2024-10-05T15:30:00+00:00"),  # a jump of half an hour
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00+00:00"),  # a midnight that does not exist
    ],
)
def test_skipped_and_repeated_times_have_one_meaning(zone: str, local: str, expected: str) -> None:
    """The first instant after a jump, the first of a repeated hour."""
    assert times.instant(local, ZoneInfo(zone)).isoformat() == expected


@given(
    st.datetimes(datetime.fromisoformat("1950-01-01"), datetime.fromisoformat("2030-01-01")).map(
        lambda each: each.replace(microsecond=0)
    ),
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "UTC", "Africa/Casablanca"]),
)
def test_a_local_time_comes_back_or_was_skipped(local: datetime, name: str) -> None:
    """In its own zone the instant shows the same clock, or a later one where the clock jumped."""
    zone = ZoneInfo(name)
    shown = times.instant(local, zone).astimezone(zone).replace(tzinfo=None)
    assert shown >= local
    assert shown - local <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2013-02-30", "is no date or time"),
        ("yesterday", "is no date or time"),
        ("", "is no date or time"),
        (2013, "Must be a date or a time"),
        (True, "Must be a date or a time"),
        ("0013-01-01", "before 1900"),
        ("9999-12-31T23:59:59-12:00", "too far away"),
        ("9999-12-31", "too far away"),
    ],
)
def test_other_times_are_refused_in_a_sentence(value: object, words: str) -> None:
    """Each names what is wrong; most show the three forms."""
    with pytest.raises(ValueError, match=words):
        times.instant(value, NEW_YORK)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("America/NewYork", "Did you mean 'America/New_York'?"),
        ("europe/berlin", "Did you mean 'Europe/Berlin'?"),
        ("America", "There is no timezone 'America'."),
        ("../etc/passwd", "There is no timezone"),
        ("", "There is no timezone ''"),
        ("/UTC", "Did you mean"),
        ("a\0b", "There is no timezone"),
        ("x" * 10_000, "Write one such as Europe/Berlin"),
    ],
)
def test_a_bad_zone_names_the_nearest(name: str, words: str) -> None:
    """Misspellings, paths, folders and nonsense are all one sentence."""
    with pytest.raises(ValueError) as caught:
        times.zone_named(name)
    assert words in str(caught.value)

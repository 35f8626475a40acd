"""Values on their way into the database and out of it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import hypothesis.strategies as st
import pendulum
import pytest
from hypothesis import given

from pipeline_framework.control_table.database.values import plain_value, python_row, sqlite_value
from pipeline_framework.control_table.states import Status

instants = st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999)


@given(instants, instants)
def test_times_of_sqlite_sort_as_instants(one: datetime, other: datetime) -> None:
    """The text sorts as the instants do, whatever their zones, and comes back as the same instant."""
    first, second = sqlite_value(one), sqlite_value(other)
    assert (first < second) == (one.astimezone(UTC) < other.astimezone(UTC))
    assert dict(python_row([("at", first)]))["at"] == one.astimezone(UTC)


def test_times_have_one_form() -> None:
    """Six digits of a second and Z, also for pendulum's times and early years."""
    zone = timezone(timedelta(hours=5, minutes=45))
    assert sqlite_value(datetime(2013, 3, 10, 5, tzinfo=zone)) == "2013-03-09T23:15:00.000000Z"
    assert sqlite_value(pendulum.datetime(2013, 3, 10, 5)) == "2013-03-10T05:00:00.000000Z"
    assert sqlite_value(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000000Z"


def test_other_values_are_bound_plainly() -> None:
    """Enums as text, days as text for SQLite alone, JSON as text, the rest as it is."""
    assert sqlite_value(Status.PENDING) == plain_value(Status.PENDING) == "PENDING"
    assert sqlite_value(date(2013, 3, 10)) == "2013-03-10"
    assert plain_value(date(2013, 3, 10)) == date(2013, 3, 10)
    assert sqlite_value({"at": datetime(2013, 1, 1, tzinfo=UTC)}) == '{"at": "2013-01-01T00:00:00.000000Z"}'
    assert [sqlite_value(value) for value in (1, 1.5, "a", None, True)] == [1, 1.5, "a", None, True]


@pytest.mark.parametrize("bind", [sqlite_value, plain_value])
def test_naive_time_is_refused(bind: Callable[[datetime], object]) -> None:
    """Nobody knows which instant it is."""
    with pytest.raises(ValueError, match="no time zone"):
        bind(datetime(2013, 1, 1))  # noqa: DTZ001


def test_rows_read_the_same_from_both_databases() -> None:
    """Times in UTC, days as dates, JSON decoded, sums as whole numbers, ratios as floats."""
    sqlite = {
        "start": "2013-03-10T05:00:00.000000Z",
        "target_day": "2013-03-10",
        "audit_detail": '{"a": 1}',
        "rows": 12,
        "ratio": 0.5,
        "nothing": None,
    }
    zone = timezone(timedelta(hours=-5))
    postgresql = {
        "start": datetime(2013, 3, 10, tzinfo=zone),
        "target_day": date(2013, 3, 10),
        "audit_detail": {"a": 1},
        "rows": Decimal(12),
        "ratio": Decimal("0.5000"),
        "nothing": None,
    }
    assert python_row(sqlite.items()) == python_row(postgresql.items())
    assert python_row(postgresql.items())["start"].tzinfo is UTC


def test_keys_stay_text_whatever_they_look_like() -> None:
    """A template may well render an instant; it is the user's text all the same."""
    text = "2013-03-10T05:00:00.000000Z"
    assert python_row([("key_x", text), ("last_error", "2013")]) == {"key_x": text, "last_error": "2013"}

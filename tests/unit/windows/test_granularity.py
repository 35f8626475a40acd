"""Lengths of time as they are written in the configuration."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import CalendarGrid, Granularity, TimeBack, zone_named
from tests.unit.windows.clocks import examples


@examples(100)
@given(st.integers(1, 500), st.sampled_from("smhdw"))
def test_a_granularity_is_read_back_from_its_text(amount: int, unit: str) -> None:
    """Text and value say the same."""
    granularity = Granularity(amount, unit)
    assert Granularity.parse(str(granularity)) == granularity
    assert str(TimeBack.parse(str(granularity))) == str(granularity)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        (" 2 h ", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("2w", timedelta(days=14)),
    ],
)
def test_a_number_and_a_unit_are_a_length(text: str, length: timedelta) -> None:
    """Seconds to weeks; blanks do no harm."""
    assert Granularity.parse(text).length == length


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0h", "must be at least 1h"),
        ("-2h", "is negative"),
        ("2x", "unknown unit 'x'; known are s, m, h, d, w"),
        ("2H", "unknown unit 'H'"),
        ("2", "not understood"),
        ("h", "not understood"),
        ("", "not understood"),
        ("1.5h", "not understood"),
        ("1h30m", "not understood"),
        ("٢h", "not understood"),
        ("99999999999999999999w", "longer than ten years"),
        ("3661d", "longer than ten years"),
    ],
)
def test_other_text_is_refused_with_a_sentence(text: str, complaint: str) -> None:
    """The message repeats what was written and says what would do."""
    with pytest.raises(ValueError, match=complaint) as refused:
        Granularity.parse(text)
    assert text in str(refused.value)
    assert "granularity" in str(refused.value)


@pytest.mark.parametrize("text", ["-1d", "1y", "yesterday", "40000d"])
def test_a_lag_is_refused_under_its_own_name(text: str) -> None:
    """A wrong x_time_back is not reported as a wrong granularity."""
    with pytest.raises(ValueError, match="The x_time_back"):
        TimeBack.parse(text)


@pytest.mark.parametrize("text", ["25h", "1441m", "86401s"])
def test_a_calendar_grid_refuses_hours_above_a_day(text: str) -> None:
    """Wall-clock ticks begin anew at midnight, so longer ones need days or a fixed grid."""
    with pytest.raises(ValueError, match="above 24 hours"):
        CalendarGrid(Granularity.parse(text), zone_named("Europe/Paris"), date(2013, 1, 1))

"""A window's rows among local times are one stretch, whatever the clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implementations.reading.local_times import TICK, first_local, zone_named
from implementations.reading.times import INSTANT, TimeField
from pipeline_framework.errors import Misuse

# Whole and half hours, a gap at midnight, a zone that skipped a day.
ZONES = ["America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "UTC"]
CHANGES = [
    datetime(2013, 11, 3, 6, tzinfo=UTC),
    datetime(2013, 3, 10, 7, tzinfo=UTC),
    datetime(2013, 4, 6, 15, tzinfo=UTC),
    datetime(2013, 10, 5, 15, 30, tzinfo=UTC),
    datetime(2013, 10, 20, 3, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]
NEAR = st.sampled_from(CHANGES).flatmap(
    lambda change: st.integers(-8 * 10**9, 8 * 10**9).map(lambda tick: change + timedelta(microseconds=tick))
)


def meant(local: datetime, zone: str) -> datetime:
    """The instant that a source reads of it."""
    column = pa.array([local], pa.timestamp("us"))
    instant: datetime = (
        TimeField("at", zone, ambiguous="latest").utc(column, "a table").cast(INSTANT)[0].as_py()
    )
    return instant


@given(NEAR | st.sampled_from(CHANGES), st.sampled_from(ZONES))
def test_bound_is_the_first_local_time_that_is_not_before_the_instant(instant: datetime, zone: str) -> None:
    """It is inside, the tick before it is not: so windows side by side share no row and lose none."""
    bound = first_local(instant, ZoneInfo(zone))
    assert meant(bound, zone) >= instant
    assert meant(bound - TICK, zone) < instant


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc"])
def test_an_unknown_zone_is_a_misuse(name: str) -> None:
    """Whatever the zone's file would be."""
    with pytest.raises(Misuse, match=r"source\.time_zone"):
        zone_named(name)

"""Whatever a file calls a time becomes the instant it means, floored, so that no row changes its window."""

from datetime import UTC, datetime, timedelta
from math import inf, nextafter
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implementations.reading.times import INSTANT, TimeField, Unit, inside, microseconds
from pipeline_framework.errors import BadData
from pipeline_framework.testing.truth import TICK, WINDOW
from pipeline_framework.windows import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
NEW_YORK = ZoneInfo("America/New_York")
nanoseconds = st.integers(-(2**62), 2**62)
units = st.sampled_from(["s", "ms", "us", "ns"])


def utc(values: pa.Array, time: TimeField | None = None) -> list[datetime | None]:
    found: list[datetime | None] = (time or TimeField("t", unit="iso")).utc(values, "file").to_pylist()
    return found


@given(nanoseconds, st.sampled_from(["UTC", "America/New_York", None]))
def test_nanoseconds_are_floored_not_rounded(value: int, zone: str | None) -> None:
    """Before 1970 too, floor is the earlier microsecond."""
    assert utc(pa.array([value], pa.timestamp("ns", zone))) == [EPOCH + timedelta(microseconds=value // 1000)]


@given(st.integers(-(10**15), 10**15), units)
def test_integers_count_from_1970_in_their_unit(value: int, unit: Unit) -> None:
    """Exactly, in each unit."""
    count = value * PER_SECOND[unit] // 10**6
    micro = count * 10**6 // PER_SECOND[unit]
    assert utc(pa.array([count]), TimeField("t", unit=unit)) == [EPOCH + timedelta(microseconds=micro)]


@given(st.integers(-(2**31), 2**32), st.sampled_from([-inf, 0, inf]), units)
def test_doubles_are_in_the_window_that_they_are_in(bound: int, towards: float, unit: Unit) -> None:
    """The double next to a bound is on its own side of it after the floor."""
    value = float(bound * PER_SECOND[unit])
    value = nextafter(value, towards) if towards else value
    (found,) = utc(pa.array([value]), TimeField("t", unit=unit))
    assert found is not None
    assert (found < EPOCH + timedelta(seconds=bound)) == (towards == -inf)


@given(st.floats(-1e10, 1e10), units)
def test_doubles_keep_their_microseconds(value: float, unit: Unit) -> None:
    """To the one that floating point cannot tell."""
    (found,) = utc(pa.array([value]), TimeField("t", unit=unit))
    numerator, denominator = value.as_integer_ratio()
    exact = numerator * 10**6 // (denominator * PER_SECOND[unit])
    assert found is not None
    assert abs((found - EPOCH) // TICK - exact) <= 1


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - made aware below
    st.integers(0, 999),
    st.sampled_from(["+00:00", "Z", "+05:30", "-0800", "+01"]),
    st.sampled_from(["T", " "]),
)
def test_iso_text_with_an_offset(local: datetime, finer: int, offset: str, between: str) -> None:
    """Nine digits of a second are cut to six, in every century."""
    text = f"{local:%Y-%m-%d}".rjust(10, "0") + between + f"{local:%H:%M:%S.%f}{finer:03}{offset}"
    padded = {"Z": "+0000", "+01": "+0100"}.get(offset, offset)
    expected = local.replace(tzinfo=datetime.strptime(padded.replace(":", ""), "%z").tzinfo)
    assert utc(pa.array([text])) == [expected.astimezone(UTC)]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001 - local on purpose
def test_local_times_mean_their_zone(local: datetime) -> None:
    """As the tz database says; a repeated or skipped hour is refused rather than guessed."""
    aware = local.replace(tzinfo=NEW_YORK, fold=0)
    certain = aware.utcoffset() == aware.replace(fold=1).utcoffset()
    for values in (pa.array([local], pa.timestamp("us")), pa.array([local.isoformat()])):
        time = TimeField("t", "America/New_York", "iso")
        if certain:
            assert utc(values, time) == [aware.astimezone(UTC)]
        else:
            with pytest.raises(BadData, match="ambiguous_time"):
                utc(values, time)


@pytest.mark.parametrize(("choice", "hour"), [("earliest", 5), ("latest", 6)])
def test_a_repeated_hour_by_choice(choice: str, hour: int) -> None:
    """01:30 came twice in New York on 3 November 2013."""
    time = TimeField("t", "America/New_York", "iso", choice)  # type: ignore[arg-type]
    assert utc(pa.array(["2013-11-03T01:30:00"]), time) == [datetime(2013, 11, 3, hour, 30, tzinfo=UTC)]


def test_text_with_and_without_offset_in_one_column() -> None:
    """Each value means what it says; dates are midnights of the zone."""
    values = pa.array(
        ["2013-07-01T00:00:00Z", "2013-07-01T00:00:00", None, "2013-07-01", " 2013-07-01 00:00Z "]
    )
    found = utc(values, TimeField("t", "America/New_York", "iso"))
    assert [moment and moment.hour for moment in found] == [0, 4, None, 4, 0]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates_are_midnights_of_the_zone(kind: pa.DataType) -> None:
    """A day begins where the pipeline's files were written."""
    days = pa.array([datetime(2013, 7, 1).date()], pa.date32()).cast(kind)  # noqa: DTZ001
    assert utc(days, TimeField("t", "America/New_York")) == [datetime(2013, 7, 1, 4, tzinfo=UTC)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1]),
        pa.array([1.5]),
        pa.array(["2013-11-03T05:00:00Z"]),
        pa.array([b"x"]),
        pa.array([True]),
        pa.array([[datetime(2013, 11, 3, tzinfo=UTC)]]),
    ],
    ids=lambda values: str(values.type),
)
def test_nothing_else_is_a_time_without_a_declaration(values: pa.Array) -> None:
    """The message names column, file and type."""
    with pytest.raises(BadData, match=r"t of file is .*source\.time_"):
        utc(values, TimeField("t"))


@pytest.mark.parametrize(
    "values", [pa.array([2**62]), pa.array([1e300]), pa.array(["9" * 20]), pa.array(["x"])]
)
def test_numbers_beyond_time_are_refused(values: pa.Array) -> None:
    """Out of range is a sentence, not another time."""
    with pytest.raises(BadData, match="no time"):
        utc(values, TimeField("t", unit="s"))


@given(st.integers(-5, 5), st.sampled_from([WINDOW.start, WINDOW.end]))
def test_a_window_is_half_open_to_the_microsecond(ticks: int, bound: datetime) -> None:
    """Python's comparison and Arrow's agree at both bounds."""
    moment = bound + ticks * TICK
    assert inside(pa.array([moment], INSTANT), WINDOW).to_pylist() == [moment in WINDOW]


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_what_arrow_holds(moment: datetime) -> None:
    """Bounds compare with statistics as numbers."""
    assert microseconds(moment) == pa.array([moment], INSTANT).cast(pa.int64())[0].as_py()


def test_windows_are_compared_in_utc() -> None:
    """A bound that was written in another zone is the same instant."""
    window = Window(WINDOW.start.astimezone(NEW_YORK), WINDOW.end.astimezone(NEW_YORK))
    assert inside(pa.array([WINDOW.start, WINDOW.end], INSTANT), window).to_pylist() == [True, False]

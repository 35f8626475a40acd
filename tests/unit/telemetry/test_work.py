"""What is told of the work is what the signals said."""

import threading

import pytest

from pipeline_framework.signals import Expecting, Moved, PhaseFinished, PhaseStarted, Retrying, emit
from pipeline_framework.telemetry.lines import lines
from pipeline_framework.telemetry.work import AtWork, brief, in_bytes, span


class Clock:
    """Stands still until it is told to go on, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At an arbitrary time."""
    return Clock()


@pytest.fixture
def at_work(clock: Clock) -> AtWork:
    """One window, ten seconds at work."""
    listener = AtWork(clock)
    listener(PhaseStarted(17, "SOURCE_TO_STAGE"))
    clock.now += 10
    return listener


def test_before_the_first_row_only_the_time_is_known(at_work: AtWork) -> None:
    """A query that has not answered yet, or a load that the target does by itself."""
    assert at_work.lines() == ["window 17 source_to_stage: at work for 10 s"]


def test_rows_bytes_rate_and_time_left(at_work: AtWork, clock: Clock) -> None:
    """Counted from when rows began to pass."""
    at_work(Expecting(17, 5_000_000))
    for _ in range(3):
        clock.now += 10
        at_work(Moved(17, 400_000, 104_000_000))
    told = "1,200,000 rows, 312 MB, 40,000 rows/s, 24% of 5,000,000, 1 min 35 s left"
    assert at_work.lines() == [f"window 17 source_to_stage: {told}"]
    assert at_work.works[17].short(clock.now) == "1.2M rows 312 MB 40k/s"


@pytest.mark.parametrize("expected", [None, 0, 5])
def test_what_was_not_counted_has_no_end(at_work: AtWork, clock: Clock, expected: int | None) -> None:
    """Nor what was counted too low: a wrong time is worse than none."""
    at_work(Expecting(17, expected))
    clock.now += 10
    at_work(Moved(17, 20, 1000))
    assert at_work.lines() == ["window 17 source_to_stage: 20 rows, 1 kB, 2 rows/s"]


def test_another_try_counts_from_nothing(at_work: AtWork, clock: Clock) -> None:
    """Rows of a reading that broke off are not added to those of the next."""
    at_work(Expecting(17, 100))
    at_work(Moved(17, 60, 1))
    clock.now += 10
    at_work(Expecting(17, 100))
    at_work(Moved(17, 50, 1))
    assert at_work.works[17].rows == 50


def test_a_phase_that_is_over_is_told_of_no_more(at_work: AtWork) -> None:
    """And signals of windows that nobody announced are no error."""
    at_work(PhaseFinished(17, "SOURCE_TO_STAGE"))
    at_work(Moved(17, 1, 1))
    at_work(PhaseFinished(18, "AUDIT"))
    assert at_work.lines() == []


def test_a_line_comes_every_so_often_and_a_warning_at_once() -> None:
    """Also while no row passes; after the block nobody tells anything."""
    told, warned, twice = list[str](), list[str](), threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        if len(told) > 1:
            twice.set()

    with lines(tell, warned.append, every=0.01):
        emit(PhaseStarted(3, "STAGE_TO_TARGET"))
        emit(Retrying(3, "The bucket does not answer.", 2.5))
        assert warned == ["The bucket does not answer. Trying again in 2.5 s."]
        assert twice.wait(30)
    assert set(told) == {"window 3 stage_to_target: at work for 0 s"}
    emit(Retrying(3, "Too late.", 1))
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (312_400_000, "312 MB"), (4.2e15, "4,200.0 TB")],
)
def test_bytes_in_words(size: float, told: str) -> None:
    """Decimal units, as disks and networks count."""
    assert in_bytes(size) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (187, "3 min 7 s"), (7500, "2 h 5 min")]
)
def test_spans_in_words(seconds: float, told: str) -> None:
    """Two units at most."""
    assert span(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [(9999, "9999"), (41_234, "41k"), (999_499, "999k"), (999_500, "1.0M"), (1.25e9, "1,250.0M")],
)
def test_numbers_in_brief(number: float, told: str) -> None:
    """As a bar has room for."""
    assert brief(number) == told

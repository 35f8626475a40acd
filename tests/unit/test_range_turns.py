"""Whose turn it is inside the range of a backfill, and why it may be nobody's."""

from datetime import timedelta
from unittest.mock import patch

import pytest

from pipeline_framework.control_table import ranges
from pipeline_framework.control_table.ranges import Order, Range
from pipeline_framework.errors import BadData, NothingPending
from pipeline_framework.generation import Choice, generate
from pipeline_framework.operations import backfill
from pipeline_framework.operations.gates import pause
from pipeline_framework.operations.run import run_some
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.range_turns import left_of, lock_of_range
from pipeline_framework.reports.history import windows
from pipeline_framework.windows import Window
from tests.unit.conftest import NOW, ScriptedTransfer

HOUR = timedelta(hours=1)
START = NOW - 12 * HOUR


@pytest.fixture
def mine(scripted: Pipeline) -> Range:
    """Hours 2 to 4 of twelve, set aside."""
    generate(scripted, NOW)
    order = Order(Window(START + 2 * HOUR, START + 5 * HOUR), "backfill", "ann", "why", 60)
    return ranges.register(scripted.database, scripted.key, order)


def strictly(scripted: Pipeline) -> None:
    """The same pipeline with `order: strict`."""
    scripted.config = scripted.config.model_copy(update={"order": "strict"})


def test_in_strict_order_a_backfill_waits_for_what_comes_before(scripted: Pipeline, mine: Range) -> None:
    """The message names the window; once it is done the range has its turn, one window after the other."""
    strictly(scripted)
    with pytest.raises(NothingPending, match="it comes before what is left of the range"):
        lock_of_range(scripted, mine, newest_first=False)
    assert len(list(run_some(scripted, NOW))) == 2
    assert lock_of_range(scripted, mine, newest_first=False).window.start == START + 2 * HOUR


def test_in_strict_order_a_failed_window_stops_its_backfill(
    scripted: Pipeline, transfer: ScriptedTransfer
) -> None:
    """Later windows of the range do not pass it by."""
    strictly(scripted)
    transfer.faults["source_to_stage"] = [BadData("no")]
    wish = backfill.Wish(Choice(first=START, last=START + 3 * HOUR), 1, "ann", "why")
    with backfill.registered(scripted, NOW, wish) as work:
        outcomes = list(backfill.run_backfill(scripted, work))
        assert [outcome.done for outcome in outcomes] == [False]
        told = backfill.left_behind(scripted, work)
    assert told == [
        "the range is not done: 1 waiting for an ordinary run or the next backfill, 2 not reached."
    ]
    assert {row.range_id for row in windows(scripted)} == {None}


def test_ready_is_asked_for_windows_of_a_range(scripted: Pipeline, mine: Range) -> None:
    """One that is held back goes back to ordinary runs, and the next is asked for."""
    scripted.config = scripted.config.model_copy(update={"ready": "upstream:complete"})
    with patch("pipeline_framework.registry.ready", side_effect=[False, True]):
        lock = lock_of_range(scripted, mine, newest_first=False)
    assert lock.window.start == START + 3 * HOUR
    back = next(row for row in windows(scripted) if row.window_start_time == START + 2 * HOUR)
    assert (back.range_id, back.reason) == (None, "held back by ready: upstream:complete")


def test_a_paused_pipeline_backfills_nothing(scripted: Pipeline, mine: Range) -> None:
    """And says who paused it."""
    pause(scripted, actor="ann", reason="the warehouse moves")
    with pytest.raises(NothingPending, match="paused by ann"):
        lock_of_range(scripted, mine, newest_first=False)


def test_what_is_left_of_a_range_is_counted_by_what_keeps_it(scripted: Pipeline, mine: Range) -> None:
    """Nothing is said of windows outside, and nothing at all when every window is done."""
    lock_of_range(scripted, mine, newest_first=True)
    assert left_of(scripted, mine) == "1 held by another run (`pipeline locks list`), 2 not reached"

"""Whatever is sealed, reopened, or changed by hand: reports say what a walk through every window says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy.exc import IntegrityError

from pipeline_framework.control_table import Database, PipelineKey, decisions, new_windows, sealing
from pipeline_framework.control_table.database.values import sqlite_value
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.windows import Window
from tests.integration.control_table.full_walk import (
    finished_days,
    rows_of,
    sealed_stretches,
    told,
    walked,
)
from tests.integration.control_table.stories import FIRST, HOUR, add_hours
from tests.integration.control_table.workers import in_processes, seal_and_reopen
from tests.services.control import by_hand

DAYS, A_DAY = 4, 4  # days, windows of a day
SLOT = timedelta(hours=6)
RESULTS = st.sampled_from(["loaded", "empty", "already_present", "skipped"])
slots = st.integers(0, DAYS * A_DAY - 1)
counts = st.none() | st.integers(0, 9)

ANNOUNCE = "INSERT INTO pipelines (pipeline_id, grid_history) VALUES (:id, 'first: fixed 6h')"
INSERT = """
INSERT INTO pipeline_records (pipeline_id, target_day, window_start_time, window_end_time, time_interval,
    pipeline_status, audit_result, target_count, pipeline_end_time, last_error)
VALUES (:id, :day, :start, :end, '6h', :status, :result, :count, :over, 'none')"""
ONE = " WHERE pipeline_id = :id AND window_start_time = :start"
FINISH = f"""
UPDATE pipeline_records SET pipeline_status = 'COMPLETED', audit_result = :result, target_count = :count,
    pipeline_end_time = :over {ONE}"""
QUARANTINE = f"""
UPDATE pipeline_records SET pipeline_status = 'FAILED', audit_result = NULL, last_error = 'none',
    pipeline_end_time = :over {ONE}"""
REOPEN = """
UPDATE pipeline_records SET pipeline_status = 'PENDING', audit_result = NULL, pipeline_end_time = NULL
 WHERE pipeline_id = '{id}' AND window_start_time = '{start}'"""
MOVE_ON = f"UPDATE pipeline_records SET window_end_time = :end, window_start_time = :later {ONE}"


class History:
    """The windows of one pipeline, changed in whatever way somebody thinks of."""

    def __init__(self, database: Database, key: PipelineKey) -> None:
        self.database, self.key = database, key
        by_hand(database, "DELETE FROM pipeline_records WHERE pipeline_id = :id", id=key.pipeline_id)
        by_hand(database, "DELETE FROM pipelines WHERE pipeline_id = :id", id=key.pipeline_id)
        by_hand(database, ANNOUNCE, id=key.pipeline_id)
        for slot in range(DAYS * A_DAY):
            self.put(slot, "COMPLETED", "loaded", 5)

    def do(self, sql: str, slot: float, **values: object) -> None:
        start = FIRST + slot * SLOT
        every = {"id": self.key.pipeline_id, "start": start, "over": FIRST} | values
        bound = {name: sqlite_value(value) for name, value in every.items() if f":{name}" in sql}
        with suppress(IntegrityError):  # what the table refuses has not happened
            by_hand(self.database, sql, **bound)

    def put(self, slot: float, status: str, result: str | None, count: int | None, slots: float = 1) -> None:
        start = FIRST + slot * SLOT
        values = {"day": start.date(), "end": start + slots * SLOT, "status": status, "result": result}
        self.do(INSERT, slot, **values, count=count)

    def finish(self, slot: int, result: str, count: int | None) -> None:
        self.do(FINISH, slot, result=result, count=count)

    def quarantine(self, slot: int) -> None:
        self.do(QUARANTINE, slot)

    def reopen(self, slot: int, slots: int) -> None:
        window = Window(FIRST + slot * SLOT, FIRST + (slot + slots) * SLOT)
        decisions.reopen(
            self.database, self.key, first=window.start, last=window.end, actor="ann", reason="why"
        )

    def forget(self, slot: int) -> None:
        self.do("DELETE FROM pipeline_records" + ONE, slot)

    def recount(self, slot: int, count: int | None) -> None:
        self.do("UPDATE pipeline_records SET target_count = :count" + ONE, slot, count=count)

    def relabel(self, slot: int, day: int) -> None:
        self.do(
            "UPDATE pipeline_records SET target_day = :day" + ONE,
            slot,
            day=(FIRST + timedelta(days=day)).date(),
        )

    def lengthen(self, slot: int, slots: float) -> None:
        end = FIRST + (slot + slots) * SLOT
        self.do("UPDATE pipeline_records SET window_end_time = :end" + ONE, slot, end=end)

    def shift(self, slot: int, by: float) -> None:
        later = FIRST + (slot + by) * SLOT
        self.do(MOVE_ON, slot, later=later, end=later + SLOT)

    def seal(self) -> None:
        sealing.seal(self.database, self.key)


halves = st.sampled_from([0.5, 1.5, 2.5, 9])
CHANGES: dict[Callable[..., None], dict[str, st.SearchStrategy[Any]]] = {
    History.finish: {"slot": slots, "result": RESULTS, "count": counts},
    History.quarantine: {"slot": slots},
    History.reopen: {"slot": slots, "slots": st.integers(1, 6)},
    History.forget: {"slot": slots},
    History.recount: {"slot": slots, "count": counts},
    History.relabel: {"slot": slots, "day": st.integers(0, DAYS)},
    History.lengthen: {"slot": slots, "slots": halves},
    History.shift: {"slot": slots, "by": halves},
}
changes = st.one_of(
    [st.tuples(st.just(change), st.fixed_dictionaries(drawn)) for change, drawn in CHANGES.items()]
    + [
        st.tuples(
            st.just(History.put),
            st.fixed_dictionaries(
                {
                    "slot": slots | slots.map(lambda slot: slot + 0.5),
                    "status": st.just("COMPLETED"),
                    "result": RESULTS,
                    "count": counts,
                    "slots": st.sampled_from([0.5, 1, 6]),
                }
            ),
        ),
    ]
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(st.tuples(changes, st.booleans()), min_size=6, max_size=16), page=st.integers(1, 9))
def test_reports_say_what_every_window_says(
    control: Database, key: PipelineKey, story: list[tuple[Any, bool]], page: int
) -> None:
    """Move, change, insert, delete in any order, sealing in between: after each step both tell the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "PAGE", page)
        history = History(control, key)
        history.seal()
        for (change, drawn), seals in story:
            change(history, **drawn)
            assert told(control, key) == walked(rows_of(control, key))
            if seals:
                history.seal()
                assert told(control, key) == walked(rows_of(control, key))
        every_finished_day_is_sealed(control, key)


def every_finished_day_is_sealed(control: Database, key: PipelineKey) -> None:
    """However small the page, some later call gets to each."""
    for _ in range(3):
        sealing.seal(control, key)
    records = rows_of(control, key)
    assert told(control, key) == walked(records)
    stretches = sealed_stretches(control, key)
    open_days = {
        record.target_day
        for record in records
        if not [one for one in stretches if one["sealed_from"] <= record.window_start_time < one["sealed_to"]]
    }
    assert not open_days & finished_days(records)


def finished_hours(control: Database, key: PipelineKey, count: int = 72) -> None:
    """Three days of finished windows."""
    add_hours(control, key, count)
    by_hand(
        control,
        "UPDATE pipeline_records SET pipeline_status = 'COMPLETED', audit_result = 'loaded',"
        " target_count = 1, pipeline_end_time = window_end_time WHERE pipeline_id = :id",
        id=key.pipeline_id,
    )


def test_newest_day_and_days_that_are_not_finished_stay_open(control: Database, key: PipelineKey) -> None:
    """A day is sealed whole, with its sums, once nothing more is to come."""
    finished_hours(control, key)
    decisions.reopen(control, key, first=FIRST, last=FIRST + HOUR, actor="ann", reason="why")
    assert sealing.seal(control, key) == 1
    (sealed,) = sealed_stretches(control, key)
    day = FIRST + timedelta(days=1)
    assert (sealed["target_day"], sealed["sealed_from"]) == (day.date(), day)
    assert (sealed["sealed_to"], sealed["windows"], sealed["target_rows"]) == (day + 24 * HOUR, 24, 24)
    assert sealing.seal(control, key) == 0


def test_day_is_sealed_once(control: Database, key: PipelineKey) -> None:
    """Two cleanups that found the same days do not count them twice."""
    finished_hours(control, key)
    span = {"page_from": FIRST, "page_until": FIRST + 72 * HOUR}
    assert len(control.run("seal_days", **key.parameters, **span)) == 2
    assert control.run("seal_days", **key.parameters, **span) == []


def test_days_behind_a_long_backlog_get_their_turn(
    control: Database, key: PipelineKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that looks at a few windows only goes on where the last one ended, then begins anew."""
    monkeypatch.setattr(sealing, "PAGE", 10)
    monkeypatch.setattr(sealing, "BARREN", 20)
    finished_hours(control, key, 24 * 6)
    decisions.reopen(control, key, first=FIRST, last=FIRST + 96 * HOUR, actor="ann", reason="why")
    sealed = [sealing.seal(control, key) for _ in range(6)]
    assert sum(sealed) == 1
    assert sealed[0] == 0


@pytest.mark.services
def test_nothing_is_sealed_while_somebody_reopens(postgres_control_url: str, key: PipelineKey) -> None:
    """Its transaction is open: the sealing neither waits for it nor seals what it takes back."""
    with Database(postgres_control_url) as control, Database(postgres_control_url) as other:
        finished_hours(control, key)
        with other.transaction() as reopening:
            reopening.script(REOPEN.format(id=key.pipeline_id, start=FIRST.isoformat()))
            assert sealing.seal(control, key) == 0
            reopening.commit()
        assert sealing.seal(control, key) == 1
        assert told(control, key) == walked(rows_of(control, key))


@pytest.mark.services
def test_reopening_waits_for_a_sealing_and_unseals(postgres_control_url: str, key: PipelineKey) -> None:
    """What the sealing inserted is not visible yet when the window is changed; it is deleted all the same."""
    with (
        Database(postgres_control_url) as control,
        Database(postgres_control_url) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        finished_hours(control, key)
        span = {"page_from": FIRST, "page_until": FIRST + 72 * HOUR}
        with control.transaction() as sealing_now:
            sealing_now.run("hold_to_seal", **key.parameters)
            assert len(sealing_now.run("seal_days", **key.parameters, **span)) == 2
            hand = pool.submit(by_hand, other, REOPEN.format(id=key.pipeline_id, start=FIRST.isoformat()))
            with pytest.raises(TimeoutError):
                hand.result(timeout=0.5)
            sealing_now.commit()
        hand.result(timeout=10)
        assert [one["sealed_from"] for one in sealed_stretches(control, key)] == [FIRST + 24 * HOUR]
        assert told(control, key) == walked(rows_of(control, key))


def test_sealing_beside_reopening_and_finishing(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """Processes that seal, reopen and finish as fast as they can: at any time both walks tell the same."""
    finished_hours(control, key, 24 * 4)
    in_processes(3, seal_and_reopen, control_url, key, 2.0)
    assert told(control, key) == walked(rows_of(control, key))


def test_a_window_that_is_moved_by_hand_unseals_both_places(control: Database, key: PipelineKey) -> None:
    """The day it leaves and the day it comes to are looked at window by window again."""
    finished_hours(control, key, 96)
    assert sealing.seal(control, key) == 3
    move = (
        "UPDATE pipeline_records SET window_start_time = :there, window_end_time = :end"
        " WHERE pipeline_id = :id AND window_start_time = :here"
    )
    there = FIRST + timedelta(days=2, minutes=30)
    times = {"here": FIRST, "there": there, "end": there + timedelta(minutes=1)}
    by_hand(control, move, id=key.pipeline_id, **{name: sqlite_value(time) for name, time in times.items()})
    assert [one["sealed_from"] for one in sealed_stretches(control, key)] == [FIRST + timedelta(days=1)]
    assert told(control, key) == walked(rows_of(control, key))


def test_emptied_table_is_not_covered(control: Database, key: PipelineKey) -> None:
    """Windows that somebody deletes by hand are holes, which the next generation fills."""
    finished_hours(control, key)
    assert sealing.seal(control, key) == 2
    by_hand(control, "DELETE FROM pipeline_records WHERE pipeline_id = :id", id=key.pipeline_id)
    assert sealed_stretches(control, key) == []
    assert new_windows.islands(control, key) == []


@pytest.mark.services
def test_truncated_table_is_not_covered(fresh_postgres: Callable[[], str], key: PipelineKey) -> None:
    """TRUNCATE asks no row."""
    with Database(fresh_postgres()) as control:
        migrate(control)
        finished_hours(control, key)
        assert sealing.seal(control, key) == 2
        by_hand(control, "TRUNCATE pipeline_records")
        assert new_windows.islands(control, key) == []

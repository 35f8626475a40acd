"""Every move in random order, by several runs, against both databases and a model in plain Python."""

from collections.abc import Callable
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from pipeline_framework.control_table import (
    Database,
    Record,
    claims,
    decisions,
    events,
    new_windows,
    ranges,
    rescue,
    tail,
)
from pipeline_framework.control_table.ranges import Order
from pipeline_framework.errors import LockConflict, LockLost, Misuse
from pipeline_framework.interfaces import Lock
from pipeline_framework.windows import Window
from tests.integration.control_table.gated_machine import GatedMachine
from tests.integration.control_table.machine import RUNS, action, holder, hours, runs
from tests.integration.control_table.model import (
    How,
    Lost,
    Refused,
    Row,
    Stretch,
    Who,
    temporary,
)
from tests.integration.control_table.owners import AHEAD, OWNERS, hows, living, seconds
from tests.integration.control_table.stories import FIRST, HOUR, HOURLY, hour, new
from tests.services.control import age_leases, age_ranges, by_hand


class ControlTable(GatedMachine):
    """Each action makes a move on the database and on the model, and expects the same of both."""

    @action(1, count=hours, max_attempts=st.integers(1, 3))
    def add_more(self, count: int, max_attempts: int) -> None:
        self.add(count, max_attempts)

    @action(1, number=hours, halves=st.sampled_from([0.5, 1.5]))
    def add_across(self, number: int, halves: float) -> None:
        """A window that crosses others is refused whenever one is in the way."""
        start, end = number + 0.25, number + 0.25 + halves
        crossing = new(Window(FIRST + start * HOUR, FIRST + end * HOUR))
        if any(row.number < end and row.number + 1 > start for row in self.model.rows):
            with pytest.raises(Misuse, match="overlaps"):
                new_windows.add(self.database, self.key, HOURLY, [crossing])

    @action(3, first=hours, length=st.integers(1, 4), alive=living, again=st.booleans())
    def register(self, first: int, length: int, alive: bool, again: bool) -> None:
        """A backfill registers its range; with `again` finished windows are reopened first."""
        span = Window(hour(first).start, hour(first + length - 1).end)
        order = Order(span, "backfill", "ann", "why", seconds(alive))
        self.model.expire()
        if self.model.overlapped(first, first + length):
            with pytest.raises(LockConflict, match="is backfilled by backfill for ann"):
                ranges.register(self.database, self.key, order)
            ranges.expire(self.database, self.key)  # a refusal takes back that it let go of dead ones
            return
        inside = [row for row in self.model.rows if first <= row.number < first + length]
        over = [row for row in inside if row.status in ("COMPLETED", "FAILED")]
        if again:
            mine, reopened = ranges.register_again(self.database, self.key, order)
            assert [record.id for record in reopened] == [self.ids[row.number] for row in over]
            for row in over:
                self.model.reopen(row, "reopen", "why")
        else:
            mine = ranges.register(self.database, self.key, order)
        self.ranges.append(mine)
        self.model.register(Stretch(mine.id, first, first + length, alive))

    @action(5, "PENDING", who=runs, pick=st.data(), alive=living, newest=st.booleans())
    def claim_of_range(self, who: Who, pick: st.DataObject, alive: bool, newest: bool) -> None:
        """A backfill claims; its range may long be another's."""
        if not self.ranges:
            return
        mine, stretch = pick.draw(st.sampled_from([*zip(self.ranges, self.model.ranges, strict=True)][-3:]))
        aside = [] if self.model.gates.shut else self.model.set_aside(stretch)
        move, first = ("claim_newest_of_range", -1) if newest else ("claim_oldest_of_range", 0)

        take = partial(getattr(claims, move), mine=mine)
        self._take(take, move, aside[first] if aside else None, who, alive)

    @action(2, pick=st.data())
    def end_range(self, pick: st.DataObject) -> None:
        if self.ranges:
            mine, stretch = pick.draw(st.sampled_from([*zip(self.ranges, self.model.ranges, strict=True)]))
            assert ranges.end(self.database, mine) == self.model.end(stretch, "backfill")

    @action(1)
    def regrid(self) -> None:
        """What nobody has touched at the end is gone, and leaves its trace."""
        dropped = {record.id for record in self._rows()}
        assert tail.drop(self.database, self.key, actor="ann", reason="why") == self.model.regrid()
        dropped -= {record.id for record in self._rows()}
        for record_id in dropped:
            last = events.history(self.database, record_id)[-2:]
            told = [(event["move_name"], event["reason"]) for event in last]
            assert [name for name, _ in told] == ["regrid", "delete"]
            assert told[0] == ("regrid", "why")

    @action(2)
    def expire_ranges(self) -> None:
        ranges.expire(self.database, self.key)
        self.model.expire()

    @action(1)
    def leases_of_ranges_run_out(self) -> None:
        age_ranges(self.database, self.key)
        for each in self.model.ranges:
            each.alive = False

    @action(1, "IN_PROGRESS", who=runs)
    def interrupt_run(self, who: Who) -> None:
        """A run that is stopped puts everything back, and nothing is counted."""
        freed = rescue.interrupt_run(self.database, self.key, holder(who))
        rows = [row for row in self.model.rows if row.held and row.who]
        rows = [row for row in rows if row.who and (row.who.dag, row.who.run) == (who.dag, who.run)]
        assert {record.id for record in freed} == {self.ids[row.number] for row in rows}
        for row in rows:
            self.model.clear_lock(row, "interrupt_run", who.owner)
        self._note(freed)

    @action(1, "IN_PROGRESS", who=runs, waits=st.booleans())
    def release_slot(self, who: Who, waits: bool) -> None:
        freed = rescue.release_slot(self.database, self.key, holder(who), backoff_seconds=AHEAD * waits)
        held = [row for row in self.model.rows if row.held and row.who == who]
        self._taken_away(freed, held, "release_slot", who.owner, waits)

    @action(3, "IN_PROGRESS", who=runs, alive=living)
    def resume(self, who: Who, alive: bool) -> None:
        self._take(claims.resume, "resume", self.model.held_by(who), who, alive)

    @action(2, "IN_PROGRESS", who=st.sampled_from(RUNS[-2:]), alive=living)
    def adopt(self, who: Who, alive: bool) -> None:
        """The newest temporary lock at rest; only the database knows which is the newest."""
        resting = {
            self.ids[row.number]: row
            for row in self.model.rows
            if row.held and row.who and temporary(row) and (not row.at_work or not row.alive)
            if (row.who.dag, row.who.slot) == (who.dag, who.slot)
        }
        ages = ((row.pipeline_locked_at, row.id) for row in self._rows() if row.id in resting)
        _, newest = max(ages, default=(None, None))
        row = resting[newest] if newest else None
        self._take(claims.adopt_temporary, "adopt_temporary", row, who, alive)

    @action(
        9,
        move=st.sampled_from([*OWNERS, "begin", "begin", "complete", "complete", "fail"]),
        how=hows,
        pick=st.data(),
    )
    def own(self, move: str, how: How, pick: st.DataObject) -> None:
        """An owner moves; its lock may be long lost."""
        if not self.locks:
            return
        mostly_living = [*self._living_locks() * 9, *self.locks]
        lock = pick.draw(st.sampled_from(mostly_living))
        number = next(number for number, record_id in self.ids.items() if record_id == lock.record_id)
        try:
            getattr(self.model, move)(self.model.owned(number, lock.epoch), how)
        except Lost:
            with pytest.raises(LockLost):
                OWNERS[move](self.database, lock, how)
        except Refused as broken:
            with pytest.raises(Misuse, match=f"pipeline_records_({broken})"):
                OWNERS[move](self.database, lock, how)
        else:
            OWNERS[move](self.database, lock, how)

    @action(6, "IN_PROGRESS", pick=st.data())
    def work(self, pick: st.DataObject) -> None:
        """The way a run goes, so that windows get far: begin and finish what comes next."""
        lock = pick.draw(st.sampled_from(self._living_locks()))
        row = next(row for row in self.model.rows if self.ids[row.number] == lock.record_id)
        if row.at_work or row.marker == "STAGE_TO_TARGET":
            return
        how = How("STAGE_TO_TARGET" if row.marker else "SOURCE_TO_STAGE", True, False, "", 3)
        OWNERS["begin"](self.database, lock, how)
        OWNERS["finish"](self.database, lock, how)
        self.model.finish(self.model.begin(row, how), how)

    def _living_locks(self) -> list[Lock]:
        held = {self.ids[row.number]: row.epoch for row in self.model.rows if row.held}
        return [lock for lock in self.locks if held.get(lock.record_id) == lock.epoch]

    @action(2, "IN_PROGRESS")
    def leases_run_out(self) -> None:
        """Time passes; leases leave no event."""
        age_leases(self.database, self.key)
        for row in self.model.rows:
            row.alive = False

    @action(2, "PENDING")
    def waits_are_over(self) -> None:
        """Somebody shortens the waits by hand, and is seen."""
        sql = "UPDATE pipeline_records SET not_before = '2001-01-01T00:00:00.000000Z' WHERE id = :id"
        waiting = [row.id for row in self._rows() if row.not_before and row.not_before.year > 2001]
        for record_id in waiting:
            by_hand(self.database, sql, id=record_id)
        for row in self.model.rows:
            row.waits = False
            row.events += ("by_hand",) * (self.ids[row.number] in waiting)

    @action(3, "IN_PROGRESS", waits=st.booleans())
    def rescue(self, waits: bool) -> None:
        back = rescue.rescue(self.database, self.key, backoff_seconds=AHEAD * waits)
        stale = [row for row in self.model.rows if row.held and not row.alive]
        self._taken_away(back, stale, "rescue", "rescue", waits)

    @action(2, "IN_PROGRESS", who=runs, waits=st.booleans())
    def release_run(self, who: Who, waits: bool) -> None:
        freed = rescue.release_run(self.database, self.key, holder(who), backoff_seconds=AHEAD * waits)
        held = [row for row in self.model.rows if row.held and row.who]
        of_run = [row for row in held if row.who and (row.who.dag, row.who.run) == (who.dag, who.run)]
        self._taken_away(freed, of_run, "release_run", who.owner, waits)

    def _taken_away(self, records: list[Record], rows: list[Row], move: str, actor: str, waits: bool) -> None:
        assert {record.id for record in records} == {self.ids[row.number] for row in rows}
        for row in rows:
            self.model.taken_away(row, move, actor, waits=waits)
        self._note(records)

    @action(2, "COMPLETED", "FAILED", "PENDING", first=hours, length=st.integers(1, 3), force=st.booleans())
    def reopen(self, first: int, length: int, force: bool) -> None:
        states = {"COMPLETED", "FAILED"} | ({"PENDING"} if force else set())
        rows = [row for row in self._touched(first, length) if row.status in states]
        decide, move = partial(decisions.reopen, force=force), "force_reopen" if force else "reopen"
        self._decide(decide, first, length, rows, lambda row: self.model.reopen(row, move, "why"))

    @action(2, "FAILED", "PENDING", first=hours, length=st.integers(1, 3))
    def retry(self, first: int, length: int) -> None:
        waiting = {record.id for record in self._rows() if record.not_before}
        touched = self._touched(first, length)
        rows = [row for row in touched if row.status == "FAILED" or self.ids[row.number] in waiting]
        self._decide(decisions.retry, first, length, rows, self.model.retry)

    @action(1, "FAILED", "PENDING", first=hours, length=st.integers(1, 2))
    def skip(self, first: int, length: int) -> None:
        rows = [row for row in self._touched(first, length) if row.status in {"PENDING", "FAILED"}]
        self._decide(decisions.skip, first, length, rows, self.model.skip)

    @action(1, "PENDING", first=hours, length=st.integers(1, 2))
    def quarantine(self, first: int, length: int) -> None:
        rows = [row for row in self._touched(first, length) if row.status == "PENDING"]
        self._decide(decisions.quarantine, first, length, rows, self.model.quarantine)

    def _touched(self, first: int, length: int) -> list[Row]:
        return [row for row in self.model.rows if first <= row.number <= first + length]

    def _decide(
        self,
        decide: Callable[..., list[Record]],
        first: int,
        length: int,
        rows: list[Row],
        move: Callable[[Row], Row],
    ) -> None:
        """A decision on half a window more than `length` of them: it takes every window that overlaps."""
        start, end = FIRST + (first + 0.5) * HOUR, FIRST + (first + 0.5 + length) * HOUR
        moved = decide(self.database, self.key, first=start, last=end, actor="ann", reason="why")
        assert [record.id for record in moved] == [self.ids[row.number] for row in rows]
        for row in rows:
            move(row)

    @action(2, "IN_PROGRESS", pick=st.data(), only_stale=st.booleans())
    def clear_lock(self, pick: st.DataObject, only_stale: bool) -> None:
        row = pick.draw(st.sampled_from([row for row in self.model.rows if row.held] + self.model.rows[:1]))
        clear = partial(decisions.clear_lock, self.database, self.ids[row.number], actor="ann", reason="why")
        if row.held and not (only_stale and row.alive):
            self.model.clear_lock(row, "clear_stale_lock" if only_stale else "clear_lock")
            self._note([clear(only_stale=only_stale)])
        else:
            with pytest.raises(Misuse):
                clear(only_stale=only_stale)


def test_moves_in_any_order_do_as_the_model_says(control: Database) -> None:
    """Every column that matters, every event, and every refusal, after each of many random moves."""

    class OnThisDatabase(ControlTable):
        database = control

    number = settings().max_examples * 2 // 5
    examples = settings(max_examples=number, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(OnThisDatabase, settings=examples)

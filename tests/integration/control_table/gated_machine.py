"""What may happen to a pipeline's gates, and the claims that know of them."""

from collections.abc import Callable
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import invariant

from pipeline_framework.control_table import Record, claims, gates
from pipeline_framework.errors import LockConflict
from tests.integration.control_table.gates_model import THRESHOLD
from tests.integration.control_table.machine import Machine, action, early, holder, late, runs
from tests.integration.control_table.model import Row, Taken, Who
from tests.integration.control_table.owners import AHEAD, living, seconds
from tests.integration.control_table.stories import FIRST, HOUR, HOURLY, hour
from tests.services.control import by_hand

PAST = "UPDATE pipelines SET circuit_until = '2001-01-01T00:00:00.000000Z' WHERE pipeline_id = :id"
LINES = {
    "claim_oldest": ("claimable", 0),
    "claim_newest": ("claimable", -1),
    "claim_held_back": ("held_back", 0),
    "claim_in_order": ("in_order", 0),
}


class GatedMachine(Machine):
    """Pauses, circuits and every claim from the line."""

    @action(8, "PENDING", who=runs, since=early, until=late, alive=living, move=st.sampled_from([*LINES]))
    def claim(self, who: Who, since: int, until: int, alive: bool, move: str) -> None:
        line, end = LINES[move]
        failed = {number for number, record_id in self.ids.items() if record_id in self._with_a_wait()}
        which = (since, until) if line == "in_order" else (since, until, failed)
        ready = getattr(self.model, line)(*which)
        watermark, since_time = FIRST + until * HOUR, FIRST + since * HOUR
        take = partial(getattr(claims, move), watermark=watermark, since=since_time)
        self._take(take, move, ready[end] if ready else None, who, alive)

    @action(2, "PENDING", who=runs, number=st.integers(0, 5), alive=living)
    def claim_window(self, who: Who, number: int, alive: bool) -> None:
        there = [row for row in self.model.rows if row.number == number and row.status == "PENDING"]
        there = [row for row in there if row.range_id is None]
        take = partial(claims.claim_window, window_start=hour(number).start)
        row = there[0] if there and not self.model.gates.shut else None
        self._take(take, "claim_window", row, who, alive)

    def _with_a_wait(self) -> set[int]:
        return {record.id for record in self._rows() if record.not_before}

    def _take(
        self, take: Callable[..., Record | None], move: str, row: Row | None, who: Who, alive: bool
    ) -> None:
        """A run asks for a window: it gets the same one as in the model, none, or the same refusal."""
        ask = partial(take, self.database, self.key, holder(who), lease_seconds=seconds(alive))
        if row is None:
            assert ask() is None
            return
        try:
            self.model.take(move, row, who, alive=alive)
        except Taken:
            with pytest.raises(LockConflict):
                ask()
            return
        record = ask()
        assert record is not None
        assert record.window == hour(row.number)
        self.locks.append(record.lock())
        self._note([record])

    @action(1, who=st.sampled_from(["ann", "bob"]))
    def pause(self, who: str) -> None:
        """The first who pauses is told of, whoever comes second."""
        made = gates.pause(self.database, self.key, HOURLY, actor=who, reason="why")
        assert (made is None) == (self.model.gates.paused_by is not None)
        self.model.gates.paused_by = self.model.gates.paused_by or who

    @action(2)
    def let_go_on(self) -> None:
        assert gates.resume(self.database, self.key) == (self.model.gates.paused_by is not None)
        self.model.gates.paused_by = None

    @action(3, waits=st.booleans())
    def a_system_does_not_answer(self, waits: bool) -> None:
        """Two failures in a row open the circuit, for an hour or for no time at all."""
        note = partial(gates.note_unavailable, self.database, self.key, "down", threshold=THRESHOLD)
        noted = note(backoff_seconds=AHEAD * waits)
        assert (noted is not None) == self.model.gates.note(waits=waits)

    @action(1)
    def a_system_answers(self) -> None:
        assert gates.close_circuit(self.database, self.key) == self.model.gates.close()

    @action(2)
    def the_circuit_has_waited(self) -> None:
        if self.model.gates.circuit == "open":
            by_hand(self.database, PAST, id=self.key.pipeline_id)
            self.model.gates.circuit = "wants proof"

    @invariant()
    def gates_are_as_the_model_says(self) -> None:
        there, wanted = gates.gates(self.database, self.key), self.model.gates
        circuit = "open" if there.circuit_open else "wants proof" if there.circuit_until else "closed"
        seen = (there.paused_by, there.circuit_failures, circuit)
        assert seen == (wanted.paused_by, wanted.failures, wanted.circuit)

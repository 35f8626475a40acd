"""The frame of the state machine: a database, a model, and the comparison of both after each action."""

import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline_framework.control_table import (
    Database,
    Holder,
    PipelineKey,
    Record,
    new_windows,
)
from pipeline_framework.control_table.database.values import python_row
from pipeline_framework.control_table.ranges import Range
from pipeline_framework.control_table.states import MOVES
from pipeline_framework.interfaces import Lock
from tests.integration.control_table.comparison import expected, seen
from tests.integration.control_table.gates_model import GatedModel
from tests.integration.control_table.model import TEMPORARY, Who
from tests.integration.control_table.owners import AHEAD
from tests.integration.control_table.stories import HOURLY, hour, new
from tests.services.control import by_hand

WINDOWS = 5
RUNS = [
    Who("dag", "run 1", 0),
    Who("dag", "run 1", 1),
    Who("dag", "run 2", 0),
    Who("other dag", "run 1", 0),
    Who("dag", TEMPORARY + "1", 0),
    Who("dag", TEMPORARY + "2", 0),
]
ROWS = "SELECT * FROM pipeline_records WHERE pipeline_id = :id ORDER BY window_start_time"
EVENTS = (
    "SELECT record_id, move_name FROM pipeline_record_events WHERE record_id IN"
    " (SELECT id FROM pipeline_records WHERE pipeline_id = :id) ORDER BY id"
)

runs, hours = st.sampled_from(RUNS), st.integers(0, WINDOWS)
early, late = st.sampled_from([0, 0, 0, 1, 2]), st.sampled_from([WINDOWS, WINDOWS, WINDOWS, 3, 1])

Action = tuple[Callable[..., None], int, tuple[str, ...], st.SearchStrategy[dict[str, Any]]]
ACTIONS: list[Action] = []


def action(weight: int, *states: str, **drawn: st.SearchStrategy[Any]) -> Callable[..., Callable[..., None]]:
    """Something that may happen when a window is in one of `states`; without states at any time."""

    def noted(method: Callable[..., None]) -> Callable[..., None]:
        ACTIONS.append((method, weight, states, st.fixed_dictionaries(drawn)))
        return method

    return noted


def holder(who: Who) -> Holder:
    return Holder(who.dag, who.run, who.slot, who.owner, AHEAD)


class Machine(RuleBasedStateMachine):
    """Compares the database with the model after each of the `ACTIONS`, which a subclass lists.

    One rule draws the action: rules of their own would be switched off by Hypothesis in half of the runs, and
    a window gets nowhere without claims.
    """

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.key = PipelineKey(f"machine_{secrets.token_hex(6)}")
        self.model = GatedModel()
        self.locks: list[Lock] = []  # all that were ever given out, most of them stale
        self.ids: dict[int, int] = {}  # hour → id
        self.ranges: list[Range] = []  # all that were ever registered
        self.add(WINDOWS - 2, 2)
        self.database_is_as_the_model_says()

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        there = {row.status for row in self.model.rows}
        possible = [each for each in ACTIONS if not each[2] or there & {*each[2]} for _ in range(each[1])]
        method, _, _, drawn = data.draw(st.sampled_from(possible))
        method(self, **data.draw(drawn))

    def add(self, count: int, max_attempts: int) -> None:
        rows = [new(hour(number), max_attempts=max_attempts) for number in range(count)]
        added = new_windows.add(self.database, self.key, HOURLY, rows)
        assert added == self.model.add(count, max_attempts)

    def _note(self, records: list[Record]) -> None:
        """Epochs are the database's to choose; the model learns them, and that they only grow."""
        by_id = {self.ids[row.number]: row for row in self.model.rows}
        for record in records:
            assert record.lock_epoch > by_id[record.id].epoch
            by_id[record.id].epoch = record.lock_epoch

    def _rows(self) -> list[Record]:
        return [Record.of(row) for row in self._ask(ROWS)]

    def _ask(self, sql: str) -> list[dict[str, Any]]:
        return [python_row(row.items()) for row in by_hand(self.database, sql, id=self.key.pipeline_id)]

    @invariant()
    def database_is_as_the_model_says(self) -> None:
        now, records, traced = self.database.now(), self._rows(), defaultdict(list)
        for event in self._ask(EVENTS):
            traced[event["record_id"]].append(event["move_name"])
        assert [record.window for record in records] == [hour(row.number) for row in self.model.rows]
        self.ids = {row.number: record.id for row, record in zip(self.model.rows, records, strict=True)}
        for row, record in zip(self.model.rows, records, strict=True):
            assert seen(record, now) == expected(row)
            assert tuple(traced[record.id]) == row.events
            assert record.move_number == sum(move in MOVES for move in row.events)

"""What a staged column of nothing but NULL does, whose type nobody knows, as tests to inherit."""

from pathlib import Path
from typing import Any

import pytest

from pipeline_framework.interfaces import Target
from pipeline_framework.testing.meeting import Event, load, staged
from pipeline_framework.testing.truth import AFTER, BEFORE, lock_for
from pipeline_framework.testing.writing import Writing, WritingTargets


class NullContract(WritingTargets):
    """A part of `WriteContract`; give `add_defaulted` where the system knows defaults."""

    def add_defaulted(self, target: Target, column: str) -> None:
        """Add a column of whole numbers to the target's table whose default is 7."""

    @pytest.mark.parametrize("deletes", ["hard", "soft"])
    def test_a_mark_of_nothing_but_null_deletes_nothing(
        self, writing: Writing, tmp_path: Path, deletes: str
    ) -> None:
        """Neither before the first deletion, when the table has no such column, nor after it."""
        target = writing(mode="upsert", key=["id"], deleted_by="gone", deletes=deletes)
        rows = [[{**Event(window, number, 0).row, "gone": None} for number in (1, 2)] for window in (0, 2)]
        target.load(lock_for(BEFORE), staged(tmp_path, rows[0], unknown="gone"))
        load(target, tmp_path, 1, [Event(1, 1, 0, gone=True), Event(1, 3, 0)], 1)
        deleted = [(1, "1.0", True)] if deletes == "soft" else []
        assert self.shown(target) == [*deleted, (2, "0.0", False), (3, "1.0", False)]
        assert target.load(lock_for(AFTER), staged(tmp_path, rows[1], unknown="gone")).rows == 2
        assert self.shown(target) == [(1, "2.0", False), (2, "2.0", False), (3, "1.0", False)]

    @pytest.mark.parametrize("how", [{}, {"mode": "upsert", "key": ["id"]}], ids=["replaced", "met"])
    def test_a_column_of_nothing_but_null_is_not_the_default(
        self, writing: Writing, tmp_path: Path, how: dict[str, Any]
    ) -> None:
        """NULL arrives as NULL where the table has the column, of whatever type; else it waits for one."""
        target = writing(**how)
        row = {**Event(1, 1, 0).row, "number": None}
        target.load(lock_for(), staged(tmp_path, [row], unknown="number"))
        assert "number" not in self.rows(target).column_names
        self.add_defaulted(target, "number")
        row = {**Event(2, 2, 0).row, "number": None}
        assert target.load(lock_for(AFTER), staged(tmp_path, [row], unknown="number")).rows == 1
        found = {each["id"]: each.get("number") for each in self.rows(target).to_pylist()}
        assert found.keys() == {1, 2}
        assert found[2] is None

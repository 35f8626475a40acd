"""What every target promises, as tests to inherit."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline_framework.errors import BadData, Fenced, Misuse, PipelineError
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing.given import to_be_given
from pipeline_framework.testing.staged import load, processes, staged_in
from pipeline_framework.testing.truth import (
    AFTER,
    BEFORE,
    SCHEMA,
    TICK,
    TIME_FIELD,
    WINDOW,
    edges,
    lock_for,
    rows_of,
    truth,
)
from pipeline_framework.windows import Window

Put = Callable[..., Staged]


class TargetContract:
    """Inherit it, give the fixture `target`, and the methods `rows` and `crash`.

    `target` loads into a table that does not exist yet, by the time field `happened_at`; it can be
    pickled, as processes share it. `rows(target)` reads the whole table back as Arrow, times in UTC.
    `crash(target, lock, staged, step)` loads in a process that is killed (SIGKILL) at step 0, 1, 2, …
    of the transaction, and answers False when there are not that many steps. `columns` names the
    columns of `truth.SCHEMA` that the system holds unchanged.
    """

    columns: Sequence[str] = SCHEMA.names

    @pytest.fixture
    def target(self) -> Target:
        """To be given by the connector's own test."""
        to_be_given(self, "target")

    def rows(self, target: Target) -> pa.Table:
        """To be given by the connector's own test."""
        to_be_given(self, "rows")

    def crash(self, target: Target, lock: Lock, staged: Staged, step: int) -> bool:
        """To be given by the connector's own test."""
        to_be_given(self, "crash")

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        """Stages a table as Parquet files of a folder, without a stage."""

        def staged(table: pa.Table | None = None, rows: int | None = None) -> Staged:
            table = truth().select(self.columns) if table is None else table
            return staged_in(tmp_path / "window=2013" / "epoch=1", table, rows)

        return staged

    def test_check_says_one_sentence_and_makes_nothing(self, target: Target) -> None:
        """`check` answers before there is a table, and leaves none."""
        assert "\n" not in target.check()
        assert target.count(WINDOW) == 0

    def test_before_the_firstload_there_is_nothing(self, target: Target) -> None:
        """No table is 0 rows, and no ledger row is None."""
        assert target.count(WINDOW) == 0
        assert target.loaded(lock_for()) is None

    def test_every_row_arrives_unchanged(self, target: Target, put: Put) -> None:
        """Difficult values are in the table as they were staged."""
        loaded = target.load(lock_for(), put())
        assert (loaded.rows, target.count(WINDOW)) == (60, 60)
        found = self.rows(target)
        assert rows_of(found, self.columns) == rows_of(truth(), self.columns)
        assert set(found.column_names) == set(self.columns)

    def test_the_ledger_answers_wholoaded_what(self, target: Target, put: Put) -> None:
        """Epoch, owner, rows and time of the load can be asked for, window by window."""
        loaded = target.load(lock_for(epoch=5, owner="run 5"), put())
        assert (loaded.epoch, loaded.owner, loaded.rows) == (5, "run 5", 60)
        assert target.loaded(lock_for(epoch=9)) == loaded
        assert loaded.loaded_at is not None
        assert loaded.loaded_at.utcoffset() == timedelta(0)
        assert target.loaded(lock_for(AFTER)) is None

    def test_count_is_half_open(self, target: Target, put: Put) -> None:
        """The start belongs to the window, the end does not, and one microsecond decides."""
        wide = Window(BEFORE.start, AFTER.end)
        target.load(lock_for(wide), put(edges()))
        assert target.count(WINDOW) == 3
        assert target.count(Window(WINDOW.end, WINDOW.end + TICK)) == 1

    def test_aload_replaces_its_window_and_nothing_else(self, target: Target, put: Put) -> None:
        """Loaded twice there are no doubles, and the neighbours keep their rows to the tick."""
        for window in (BEFORE, WINDOW, AFTER):
            target.load(lock_for(window), put(truth(window).select(self.columns)))
        target.load(lock_for(epoch=2), put(truth(rows=10).select(self.columns)))
        assert [target.count(window) for window in (BEFORE, WINDOW, AFTER)] == [60, 10, 60]
        target.load(lock_for(epoch=3), put())
        assert [target.count(window) for window in (BEFORE, WINDOW, AFTER)] == [60, 60, 60]

    def test_zero_rows_empty_the_window(self, target: Target, put: Put) -> None:
        """A window that is empty by now is empty in the table too, and in the ledger."""
        target.load(lock_for(), put())
        assert target.load(lock_for(epoch=2), put(truth().select(self.columns).slice(0, 0))).rows == 0
        assert target.count(WINDOW) == 0

    def test_zero_rows_may_come_first(self, target: Target, put: Put) -> None:
        """An empty window makes the table, and rows follow."""
        target.load(lock_for(BEFORE), put(truth().select(self.columns).slice(0, 0)))
        target.load(lock_for(), put())
        assert rows_of(self.rows(target), self.columns) == rows_of(truth(), self.columns)

    def test_an_older_epoch_changes_nothing(self, target: Target, put: Put) -> None:
        """Who was overtaken is fenced off, in loading and in clearing."""
        target.load(lock_for(epoch=5), put())
        for write in (lambda lock: target.load(lock, put(truth(rows=9))), target.clear):
            with pytest.raises(Fenced, match="5"):
                write(lock_for(epoch=4))
        self.untouched(target, 5)

    def test_the_same_epoch_of_another_owner_changes_nothing(self, target: Target, put: Put) -> None:
        """An epoch has one owner."""
        target.load(lock_for(epoch=5), put())
        for write in (lambda lock: target.load(lock, put(truth(rows=9))), target.clear):
            with pytest.raises(Fenced):
                write(lock_for(epoch=5, owner="run 2"))
        self.untouched(target, 5)

    def test_another_pipeline_may_not_replace_the_same_time(self, target: Target, put: Put) -> None:
        """Two pipelines in one table would take each other's rows away, window by window."""
        target.load(lock_for(), put())
        shifted = Window(WINDOW.end - TICK, AFTER.end)
        for window in (WINDOW, shifted):
            for write in (lambda lock: target.load(lock, put(truth(shifted))), target.clear):
                with pytest.raises(Misuse, match="contract"):
                    write(lock_for(window, epoch=9, mapping_name="other"))
        self.untouched(target, 1)
        later = lock_for(AFTER, mapping_name="other")
        assert target.load(later, put(truth(AFTER).select(self.columns))).rows == 60

    def test_the_same_epoch_and_owner_is_done_already(self, target: Target, put: Put) -> None:
        """A repetition after a lost answer is answered from the ledger."""
        staged = put()
        first = target.load(lock_for(epoch=5), staged)
        assert target.load(lock_for(epoch=5), staged) == first

    def test_clear_empties_the_window_alone(self, target: Target, put: Put) -> None:
        """Rows of the window go, the ledger says 0, and the same epoch may load again."""
        for window in (WINDOW, AFTER):
            target.load(lock_for(window), put(truth(window).select(self.columns)))
        staged = put()
        target.clear(lock_for(epoch=2))
        emptied = target.loaded(lock_for())
        assert emptied is not None
        assert (emptied.epoch, emptied.rows, target.count(WINDOW), target.count(AFTER)) == (2, 0, 0, 60)
        assert target.load(lock_for(epoch=2), staged).rows == target.count(WINDOW) == 60

    def test_clear_before_the_firstload_is_no_error(self, target: Target) -> None:
        """There is nothing to empty, and it stays so."""
        target.clear(lock_for())
        assert target.count(WINDOW) == 0

    @pytest.mark.parametrize("time", [WINDOW.start - TICK, WINDOW.end], ids=["before", "end"])
    def test_rows_of_another_window_are_refused(self, target: Target, put: Put, time: object) -> None:
        """One row a tick outside, and nothing is changed."""
        target.load(lock_for(), put())
        foreign = truth().set_column(0, TIME_FIELD, pa.array([time] * 60, SCHEMA.field(0).type))
        with pytest.raises(BadData):
            target.load(lock_for(epoch=2), put(foreign.select(self.columns)))
        self.untouched(target, 1)

    @pytest.mark.parametrize("promised", [44, 46])
    def test_other_rows_than_the_manifest_says_are_refused(
        self, target: Target, put: Put, promised: int
    ) -> None:
        """Fewer or more rows than were staged, and nothing is changed."""
        target.load(lock_for(), put())
        with pytest.raises(PipelineError, match=str(promised)):
            target.load(lock_for(epoch=2), put(truth(rows=45).select(self.columns), promised))
        self.untouched(target, 1)

    def test_new_columns_are_added_and_missing_ones_are_null(self, target: Target, put: Put) -> None:
        """The table grows with its source; rows without a column have NULL there."""
        target.load(lock_for(), put(edges().slice(1, 2)))
        later = pa.table({TIME_FIELD: pa.array([AFTER.start], SCHEMA.field(0).type), "fresh": ["x"]})
        target.load(lock_for(AFTER), put(later))
        found = self.rows(target).sort_by(TIME_FIELD).to_pylist()
        assert [(row["number"], row["fresh"]) for row in found] == [(1, None), (1, None), (None, "x")]

    def test_a_column_of_another_type_is_refused(self, target: Target, put: Put) -> None:
        """Text does not go into a number's column; the message names it, and nothing is changed."""
        target.load(lock_for(), put())
        text = pa.table({TIME_FIELD: truth()[TIME_FIELD], "number": ["7"] * 60})
        with pytest.raises(BadData, match="number"):
            target.load(lock_for(epoch=2), put(text))
        self.untouched(target, 1)

    def test_a_stage_without_the_time_field_is_refused(self, target: Target, put: Put) -> None:
        """The message names the field."""
        with pytest.raises(BadData, match=TIME_FIELD):
            target.load(lock_for(), put(pa.table({"number": [1]})))

    def test_a_crash_at_any_step_leaves_the_old_rows_or_the_new(self, target: Target, put: Put) -> None:
        """Killed between two statements, rows and ledger agree, and the next owner loads in full."""
        target.load(lock_for(), put())
        fewer, step = put(truth(rows=10).select(self.columns)), 0
        while self.crash(target, lock_for(epoch=2 + step), fewer, step):
            ledger = target.loaded(lock_for())
            assert ledger is not None
            assert (ledger.rows, target.count(WINDOW)) in {(60, 60), (10, 10)}
            step += 1
        assert step > 3
        assert target.load(lock_for(epoch=1000), put()).rows == target.count(WINDOW) == 60

    def test_processes_share_the_target(self, target: Target, put: Put) -> None:
        """Several processes load windows of their own at once: none fails, none is lost."""
        hour = WINDOW.end - WINDOW.start
        windows = [Window(WINDOW.start + hour * n, WINDOW.end + hour * n) for n in range(6)]
        jobs = [(target, lock_for(window), put(truth(window).select(self.columns))) for window in windows]
        with ProcessPoolExecutor(3, processes()) as pool:
            assert list(pool.map(load, jobs)) == [60] * 6
        assert [target.count(window) for window in windows] == [60] * 6

    def test_processes_at_one_window_leave_the_newest_epoch(self, target: Target, put: Put) -> None:
        """Whatever the order, the largest epoch's rows stay and no row is doubled."""
        jobs = [
            (target, lock_for(epoch=epoch), put(truth(rows=epoch).select(self.columns)))
            for epoch in range(10, 16)
        ]
        with ProcessPoolExecutor(3, processes()) as pool:
            list(pool.map(load, jobs))
        assert target.count(WINDOW) == 15

    def untouched(self, target: Target, epoch: int) -> None:
        """The first load's 60 rows and its ledger row are there, and nothing else."""
        ledger = target.loaded(lock_for())
        assert ledger is not None
        assert (ledger.epoch, ledger.rows, target.count(WINDOW)) == (epoch, 60, 60)
        assert rows_of(self.rows(target), self.columns) == rows_of(truth(), self.columns)

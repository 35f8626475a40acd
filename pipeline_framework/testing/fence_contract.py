"""What a target promises whose server lets several owners write at once, as tests to inherit."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest

from pipeline_framework.errors import Fenced, Misuse, Unavailable
from pipeline_framework.interfaces import Loaded, Lock, Staged, Target
from pipeline_framework.testing.given import to_be_given
from pipeline_framework.testing.interrupted import PATIENCE, in_mid_load, signalled
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import AFTER, BEFORE, TIME_FIELD, WINDOW, lock_for, truth
from pipeline_framework.windows import Window

Put = Callable[..., Staged]

# Half of it is another window's.
OVERLAPPING = Window(WINDOW.start + (WINDOW.end - WINDOW.start) / 2, AFTER.end)


class FenceContract:
    """Inherit it, give the fixture `target`, the method `blocked` and the name `ends`.

    `target` is as for `TargetContract`: a table that does not exist yet, to be pickled. `blocked(target)`
    says whether some session of the server waits for another one's lock. `ends` names, as for
    `unittest.mock.patch`, the function that looks for overtaken owners and ends them, where the target calls
    it; `reserves`, where it is not the one of `loading.ledger`, the one that gives a window to a pipeline,
    whose last argument is the lock. `write_beside(target)` puts a row without values of its own into
    `WINDOW`, in a session of no pipeline's.
    """

    reserves = "implementations.loading.ledger.reserve"

    @property
    def ends(self) -> str:
        """To be given by the connector's own test."""
        to_be_given(self, "ends")

    @pytest.fixture
    def target(self) -> Target:
        """To be given by the connector's own test."""
        to_be_given(self, "target")

    def blocked(self, target: Target) -> bool:
        """To be given by the connector's own test."""
        to_be_given(self, "blocked")

    def write_beside(self, target: Target) -> None:
        """To be given by the connector's own test."""
        to_be_given(self, "write_beside")

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        """Stages so many rows of a window."""

        def staged(rows: int = 60, window: Window = WINDOW) -> Staged:
            return staged_in(tmp_path / "staged", truth(window, rows).select([TIME_FIELD, "number", "text"]))

        return staged

    def test_an_owner_that_was_overtaken_in_mid_load_is_ended(self, target: Target, put: Put) -> None:
        """Who comes with a larger epoch does not wait for the one before to finish."""
        with in_mid_load(target, lock_for(epoch=5), put(10)) as (old, _):
            assert target.load(lock_for(epoch=6), put()).rows == 60
            assert not old.done()
        with pytest.raises(Unavailable):
            old.result(PATIENCE)
        with pytest.raises(Fenced):
            target.load(lock_for(epoch=5), put(10))
        assert target.count(WINDOW) == 60

    @pytest.mark.parametrize("late", [lock_for(epoch=4), lock_for(epoch=5, owner="run 2")])
    def test_an_owner_is_never_ended_by_one_that_is_not_newer(
        self, target: Target, put: Put, late: Lock
    ) -> None:
        """An older epoch, and the same epoch of somebody else, look for one to end, wait and are fenced."""
        looked = Event()
        end = resolve_name(self.ends)

        def looking(*arguments: Any) -> Any:
            ended = end(*arguments)
            looked.set()
            return ended

        with (
            in_mid_load(target, lock_for(epoch=5), put()) as (present, on),
            patch(self.ends, looking),
            beside(target, late, put(10)) as second,
        ):
            assert looked.wait(PATIENCE)
            on.set()
            assert present.result(PATIENCE).rows == 60
            with pytest.raises(Fenced):
                second.result(PATIENCE)
        assert target.count(WINDOW) == 60

    def test_other_windows_are_loaded_beside_one_in_mid_load(self, target: Target, put: Put) -> None:
        """Nobody waits for a load of other time."""
        with in_mid_load(target, lock_for(), put()) as (first, on):
            with beside(target, lock_for(AFTER), put(60, AFTER)) as second:
                assert second.result(PATIENCE / 2).rows == 60
                assert not first.done()
            on.set()
            assert first.result(PATIENCE).rows == 60

    def test_two_sessions_of_an_empty_window_load_it_once(self, target: Target, put: Put) -> None:
        """Where there is no ledger row yet, a row to meet at is made before."""
        with (
            in_mid_load(target, lock_for(epoch=5), put()) as (first, on),
            beside(target, lock_for(epoch=5), put(10)) as second,
        ):
            self.await_blocked(target)
            on.set()
            assert first.result(PATIENCE).rows == 60
            assert second.result(PATIENCE).rows == 10  # staged anew by the same owner: not doubled
        assert target.count(WINDOW) == 10

    def test_two_pipelines_that_race_for_the_same_time_do_not_both_get_it(
        self, target: Target, put: Put
    ) -> None:
        """The first to ask has the time, though nothing of it is committed yet."""
        with in_mid_load(target, lock_for(), put()) as (first, on):
            with pytest.raises(Misuse, match="contract"):
                target.load(lock_for(OVERLAPPING, mapping_name="other"), put(60, OVERLAPPING))
            on.set()
            assert first.result(PATIENCE).rows == 60
        assert target.count(Window(WINDOW.start, AFTER.end)) == 60

    def test_rows_that_somebody_else_writes_meanwhile_are_not_the_sources(
        self, target: Target, put: Put
    ) -> None:
        """They came since the window was emptied: it is emptied and loaded again."""
        target.load(lock_for(), put(10))
        with in_mid_load(target, lock_for(epoch=2), put()) as (load, on):
            self.write_beside(target)
            assert target.count(WINDOW) == 11
            on.set()
            assert load.result(PATIENCE).rows == target.count(WINDOW) == 60

    def test_reservations_of_a_table_take_turns(self, target: Target, put: Put) -> None:
        """While one is made that nobody can see yet, nobody else is told that the time is free."""
        target.load(lock_for(BEFORE), put(60, BEFORE))
        reserved, on, reserve = Event(), Event(), resolve_name(self.reserves)

        def reserving(*arguments: Any) -> None:
            reserve(*arguments)
            if not arguments[-1].mapping_name:
                reserved.set()
                on.wait(PATIENCE)

        other = lock_for(OVERLAPPING, mapping_name="other")
        with patch(self.reserves, reserving), beside(target, lock_for(), put()) as first:
            assert reserved.wait(PATIENCE)
            with beside(target, other, put(60, OVERLAPPING)) as second:
                try:
                    self.await_blocked(target)
                finally:
                    on.set()
                assert first.result(PATIENCE).rows == 60
                with pytest.raises(Misuse, match="contract"):
                    second.result(PATIENCE)

    def test_a_window_asked_for_but_never_loaded_is_not_said_to_be_loaded(
        self, target: Target, put: Put
    ) -> None:
        """The row that sessions meet at is no answer of the ledger."""
        with in_mid_load(target, lock_for(), put()):
            assert target.loaded(lock_for()) is None

    def test_a_stopped_owner_is_ended_by_the_next_and_changes_nothing_when_it_wakes(
        self, target: Target, put: Put
    ) -> None:
        """SIGSTOP in mid-load: its session goes, its rows do not come, and on waking it fails."""
        target.load(lock_for(epoch=4), put(30))
        with signalled(target, lock_for(epoch=5), put(50), signal.SIGSTOP) as zombie:
            assert (target.count(WINDOW), target.load(lock_for(epoch=6), put()).rows) == (30, 60)
            os.kill(zombie.pid or 0, signal.SIGCONT)
            zombie.join(PATIENCE)
            assert zombie.exitcode == 1
        assert target.count(WINDOW) == 60

    def test_an_owner_killed_in_mid_load_leaves_the_old_rows(self, target: Target, put: Put) -> None:
        """SIGKILL in mid-load, and the next load is exact."""
        target.load(lock_for(epoch=4), put(30))
        with signalled(target, lock_for(epoch=5), put(50), signal.SIGKILL) as dead:
            dead.join(PATIENCE)
            assert dead.exitcode == -signal.SIGKILL
        assert target.count(WINDOW) == 30
        assert target.load(lock_for(epoch=5), put()).rows == target.count(WINDOW) == 60

    def await_blocked(self, target: Target) -> None:
        """Until some session waits for another one's lock."""
        for _ in range(PATIENCE * 20):
            if self.blocked(target):
                return
            Event().wait(0.05)
        raise AssertionError("nobody waits for a lock")


@contextmanager
def beside(target: Target, lock: Lock, staged: Staged) -> Iterator[Future[Loaded]]:
    """A load in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(target.load, lock, staged)

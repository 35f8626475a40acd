"""Loads that never come to their last rows fail at once, with what they failed of."""

from pathlib import Path

import pytest

from pipeline_framework.errors import Unavailable
from pipeline_framework.interfaces import Loaded, Lock, Staged, Target
from pipeline_framework.testing.interrupted import in_mid_load, signalled
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import lock_for, truth
from pipeline_framework.windows import Window


class FakeTarget(Target):
    """A fake that refuses before it takes a row."""

    def check(self) -> str:
        raise NotImplementedError

    def count(self, window: Window) -> int | None:
        raise NotImplementedError

    def loaded(self, lock: Lock) -> Loaded | None:
        raise NotImplementedError

    def clear(self, lock: Lock) -> None:
        raise NotImplementedError

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        raise Unavailable("no room")


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    """Six rows."""
    return staged_in(tmp_path, truth(rows=6))


def test_a_load_that_fails_before_is_told_with_its_error(staged: Staged) -> None:
    """Not after a minute."""
    with (
        pytest.raises(AssertionError, match="its last rows") as failed,
        in_mid_load(FakeTarget(), lock_for(), staged),
    ):
        pass
    assert str(failed.value.__cause__) == "no room"


def test_a_process_that_ends_before_is_told_with_its_exit_code(staged: Staged) -> None:
    """Neither."""
    with pytest.raises(AssertionError, match="ended with 1"), signalled(FakeTarget(), lock_for(), staged, 9):
        pass

"""Loads that never come to their last rows fail at once, with what they failed of."""

from pathlib import Path

import pytest

from implementations.duckdb.target import DuckDBTarget
from pipeline_framework.interfaces import Staged, Target
from pipeline_framework.testing.interrupted import in_mid_load, signalled
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import TIME_FIELD, lock_for, truth


@pytest.fixture
def refusing(tmp_path: Path) -> Target:
    """A target that refuses before it takes a row."""
    return DuckDBTarget(str(tmp_path / "file.duckdb"), "t", TIME_FIELD, schema="nowhere")


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    """Six rows."""
    return staged_in(tmp_path, truth(rows=6))


def test_a_load_that_fails_before_is_told_with_its_error(refusing: Target, staged: Staged) -> None:
    """Not after a minute."""
    loading = in_mid_load(refusing, lock_for(), staged)
    with pytest.raises(AssertionError, match="its last rows") as failed, loading:
        pass
    assert "no schema nowhere" in str(failed.value.__cause__)


def test_a_process_that_ends_before_is_told_with_its_exit_code(refusing: Target, staged: Staged) -> None:
    """Neither."""
    with pytest.raises(AssertionError, match="ended with 1"), signalled(refusing, lock_for(), staged, 9):
        pass

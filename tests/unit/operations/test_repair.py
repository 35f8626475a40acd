"""What a person's decisions ask of the target."""

from datetime import timedelta

from pipeline_framework.interfaces import Lock
from pipeline_framework.operations.repair import Decision, force_reopen
from pipeline_framework.operations.run import run_once
from pipeline_framework.pipeline import Pipeline
from tests.unit.conftest import NOW, ScriptedTransfer


def test_the_target_is_asked_only_for_windows_that_somebody_had(
    scripted: Pipeline, transfer: ScriptedTransfer
) -> None:
    """Whether they were appended: each question is a session of the target, and most windows still wait."""
    run_once(scripted, NOW)
    asked = list[int]()
    transfer.replaces = lambda: False  # type: ignore[method-assign]
    transfer.loaded = lambda lock: asked.append(noted(lock))  # type: ignore[method-assign]
    day = NOW.replace(hour=0)
    assert len(force_reopen(scripted, Decision(day, day + timedelta(hours=12), "ann", "again"))) == 12
    assert asked == [0]


def noted(lock: Lock) -> int:
    """The hour of the window."""
    return lock.window.start.hour

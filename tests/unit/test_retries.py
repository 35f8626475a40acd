"""Only `Unavailable` is tried again, and only within the budget."""

from collections.abc import Callable

import pytest

from pipeline_framework.errors import BadData, PipelineError, Unavailable
from pipeline_framework.retries import patiently
from pipeline_framework.signals import Retrying, Signal, listening


def failing(errors: list[PipelineError]) -> Callable[[], str]:
    """A call that raises each error in turn, then answers."""

    def call() -> str:
        if errors:
            raise errors.pop(0)
        return "answered"

    return call


def test_unavailable_is_tried_again_and_told() -> None:
    """The call comes through, and listeners heard of the wait."""
    heard: list[Signal] = []
    with listening(heard.append):
        assert patiently(60, record_id=7)(failing([Unavailable("down")])) == "answered"
    assert [(signal.record_id, signal.error) for signal in heard if isinstance(signal, Retrying)] == [
        (7, "down")
    ]


def test_a_terminal_error_is_raised_at_once() -> None:
    """What would fail again in the same way is not tried again."""
    errors: list[PipelineError] = [BadData("no such column"), BadData("second")]
    with pytest.raises(BadData, match="no such column"):
        patiently(60)(failing(errors))
    assert len(errors) == 1


def test_without_a_budget_the_first_error_counts() -> None:
    """A budget of 0 seconds tries once and raises the error itself."""
    with pytest.raises(Unavailable, match="down"):
        patiently(0)(failing([Unavailable("down")]))

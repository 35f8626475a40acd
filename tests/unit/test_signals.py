"""Signals tell, and never fail the work."""

import logging

import pytest

from pipeline_framework.signals import Moved, Signal, emit, listening


def test_a_listener_hears_what_is_emitted_inside_its_block() -> None:
    """Before and after the block nothing is heard."""
    heard: list[Signal] = []
    emit(Moved(1, 10, 100))
    with listening(heard.append):
        emit(Moved(1, 20, 200))
    emit(Moved(1, 30, 300))
    assert heard == [Moved(1, 20, 200)]


def test_a_listener_that_fails_is_logged_and_others_still_hear(caplog: pytest.LogCaptureFixture) -> None:
    """Telling about the work can never fail the work."""

    def broken(signal: Signal) -> None:
        raise ValueError("ears closed")

    heard: list[Signal] = []
    with caplog.at_level(logging.ERROR), listening(broken), listening(heard.append):
        emit(Moved(1, 1, 1))
    assert heard == [Moved(1, 1, 1)]
    assert "ears closed" in caplog.text

"""Two windows whose phases say what real ones say, for test_bars to look at from outside."""

import time
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

from pipeline_framework.cli.options import Format
from pipeline_framework.cli.progress import watched
from pipeline_framework.signals import Expecting, Moved, PhaseFinished, PhaseStarted, Retrying, emit


def outcomes() -> "Generator[Any]":
    """As `operations.run` gives them."""
    for number in (17, 18):
        for phase in ("SOURCE_TO_STAGE", "STAGE_TO_TARGET"):
            emit(PhaseStarted(number, phase))
            emit(Expecting(number, 1_000_000))
            emit(Moved(number, 500_000, 65_000_000))
            time.sleep(0.3)  # bars are drawn ten times a second
            emit(PhaseFinished(number, phase))
        emit(Retrying(number, "Elasticsearch is busy.", 2.5))
        record = SimpleNamespace(id=number, window=f"window {number}", audit_result="loaded")
        yield SimpleNamespace(record=record, done=True, explanation="all rows are there")


if __name__ == "__main__":
    for _ in watched(outcomes(), 2, Format.TABLE):
        pass

"""The line that a run's slots stand at: whoever is free gets the next window, until the line is over."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline_framework.errors import NothingPending
from pipeline_framework.generation import OLDEST, Choice
from pipeline_framework.interfaces import Lock
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.windows import Window

PATIENCE = 5.0  # seconds that closing waits for a claim under way; the control database may not answer

Claim = Callable[[Pipeline, Choice], Lock]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a run may take: so many windows, and after the first none that would begin so much later."""

    windows: int | None = None
    seconds: float | None = None


EVERYTHING = Budget()


class Line:
    """Hands out locks, one claim at a time, and no window twice: it goes on behind the last one.

    When nothing is left there it looks, once more, on the other side of all that it handed out: a circuit
    takes its proof out of turn, and a wait may be over by now. Safe for threads. `claim` locks a window of a
    choice or raises a `NothingToDo`.
    """

    def __init__(self, claim: Claim, choice: Choice = OLDEST, budget: Budget = EVERYTHING) -> None:
        self.handed_out = 0
        self._claim, self._rest, self._budget = claim, choice, budget
        self._passed_by: Choice | None = None
        self._begun, self._closed = time.monotonic(), ""
        self._turn = threading.Lock()

    def lock(self, slot: Pipeline) -> Lock:
        """The next window, locked for `slot`; `NothingToDo` says why there is none."""
        with self._turn:
            self._require_open()
            lock = self._next(slot)
            self._passed_by = self._passed_by or before(self._rest, lock.window)
            self._rest, self.handed_out = beyond(self._rest, lock.window), self.handed_out + 1
            return lock

    def _next(self, slot: Pipeline) -> Lock:
        try:
            return self._claim(slot, self._rest)
        except NothingPending:
            if self._passed_by is None:
                raise
            self._rest, self._passed_by = self._passed_by, None
            return self._claim(slot, self._rest)

    def close(self, reason: str) -> None:
        """Hand out nothing more; a claim under way is waited for, so that its window is known."""
        self._closed = self._closed or reason
        if self._turn.acquire(timeout=PATIENCE):
            self._turn.release()

    def _require_open(self) -> None:
        windows, seconds = self._budget.windows, self._budget.seconds
        if windows is not None and self.handed_out >= windows:
            self._closed = self._closed or "this run took all its windows."
        if seconds is not None and self.handed_out and time.monotonic() - self._begun >= seconds:
            self._closed = self._closed or "the time of this run is over."
        if self._closed:
            raise NothingPending(self._closed)


def before(choice: Choice, window: Window) -> Choice:
    """What of the choice comes before a window that was taken."""
    if choice.newest_first:
        return replace(choice, first=window.end)
    return replace(choice, last=window.start)


def beyond(choice: Choice, window: Window) -> Choice:
    """What is left of the choice behind a window that was taken."""
    if choice.newest_first:
        return replace(choice, last=window.start)
    return replace(choice, first=window.end)

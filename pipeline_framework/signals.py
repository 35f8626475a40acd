"""What just happened, as small values; anyone may listen, nobody has to.

Lower rooms emit, upper rooms (progress bars, logs, later metrics) listen. A listener that raises
is logged and dropped from that signal, so telling about the work can never fail the work.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Signal:
    """The window a signal is about, by its row in the control table."""

    record_id: int


@dataclass(frozen=True, slots=True)
class PhaseStarted(Signal):
    """A phase began; `expected` rows where the source was counted."""

    phase: str
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Expecting(Signal):
    """Rows begin to pass, from the first one; the source counted `rows` of them."""

    rows: int | None


@dataclass(frozen=True, slots=True)
class Moved(Signal):
    """A batch of `rows` rows and `size` bytes passed."""

    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class PhaseFinished(Signal):
    """A phase left its marker."""

    phase: str


@dataclass(frozen=True, slots=True)
class Retrying(Signal):
    """A transient error will be tried again after `wait` seconds."""

    error: str
    wait: float


Listener = Callable[[Signal], None]
_listeners: list[Listener] = []


def emit(signal: Signal) -> None:
    """Tell every listener, in the order in which they came."""
    for listener in tuple(_listeners):
        try:
            listener(signal)
        except Exception:
            logger.exception("a listener failed at %s", signal)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear every signal of this process inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

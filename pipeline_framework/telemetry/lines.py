"""A line every so often on the windows at work, for logs; and one at once when something is tried again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline_framework.signals import Retrying, Signal, listening
from pipeline_framework.telemetry.work import AtWork

EVERY = 30.0  # seconds between two lines on a window

Tell = Callable[[str], None]


@contextmanager
def lines(tell: Tell, warn: Tell, every: float = EVERY) -> Iterator[AtWork]:
    """Tell of the work inside the block, each window every `every` seconds; warn of what is tried again."""
    at_work, stop = AtWork(), threading.Event()

    def until_stopped() -> None:
        while not stop.wait(every):
            for line in at_work.lines():
                tell(line)

    thread = threading.Thread(target=until_stopped, daemon=True)
    with listening(at_work), listening(lambda signal: warn_of(signal, warn)):
        thread.start()
        try:
            yield at_work
        finally:
            stop.set()
            thread.join()


def warn_of(signal: Signal, warn: Tell) -> None:
    """Say of a repetition what went wrong and when it comes."""
    if isinstance(signal, Retrying):
        warn(f"{signal.error} Trying again in {signal.wait:.1f} s.")

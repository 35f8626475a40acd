"""A thread that renews a lock while a phase works, or a range while its backfill does."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from pipeline_framework.control_table import progress, ranges
from pipeline_framework.control_table.database import Database
from pipeline_framework.control_table.ranges import Range
from pipeline_framework.errors import LockLost, PipelineError
from pipeline_framework.interfaces import Lock

logger = logging.getLogger(__name__)

RENEWALS = 3  # within a lease, so that two may fail before it runs out


class Renewal:
    """What the holder may ask while it works: `lost` is set once what it held is another's."""

    def __init__(self, renew: Callable[[], None], what: str, lease_seconds: float) -> None:
        self.lost = threading.Event()
        self.reason = ""
        self._renew, self._what, self._lease_seconds = renew, what, lease_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"renewal of {what}", daemon=True)

    def renew(self) -> None:
        """Renew once; a database that does not answer is asked again at the next turn."""
        try:
            self._renew()
        except LockLost as error:
            self.reason = str(error)
            self.lost.set()
        except PipelineError as error:
            logger.warning("%s: the lease could not be renewed: %s", self._what, error)

    def start(self) -> None:
        """Renew from now on; the move that began the work has just written the first lease."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self.lost.is_set() and not self._over.wait(self._lease_seconds / RENEWALS):
            self.renew()


@contextmanager
def renewing(database: Database, lock: Lock, lease_seconds: float) -> Iterator[Renewal]:
    """Keep the lock for as long as the block works, at `lease_seconds` from each renewal.

    When the lock turns out to be another's, `lost` of what the block got is set, and leaving the block raises
    `LockLost`, whatever else the block raised: a loser's errors are no news of the window.
    """
    renew = partial(progress.renew, database, lock, lease_seconds=lease_seconds)
    renewal = Renewal(renew, f"window {lock.window}", lease_seconds)
    with _renewed(renewal):
        yield renewal


@contextmanager
def keeping(database: Database, mine: Range, lease_seconds: float) -> Iterator[Renewal]:
    """The same for a range, while its backfill works."""
    renew = partial(ranges.renew, database, mine, lease_seconds=lease_seconds)
    renewal = Renewal(renew, f"range {mine.span}", lease_seconds)
    with _renewed(renewal):
        yield renewal


@contextmanager
def _renewed(renewal: Renewal) -> Iterator[None]:
    renewal.start()
    try:
        yield
    except Exception as error:
        renewal.stop()
        if renewal.lost.is_set() and not isinstance(error, LockLost):
            raise LockLost(renewal.reason) from error
        raise
    finally:
        renewal.stop()
    if renewal.lost.is_set():
        raise LockLost(renewal.reason)

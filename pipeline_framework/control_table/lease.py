"""A thread that renews the lock while a phase works."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline_framework.control_table import progress
from pipeline_framework.control_table.database import Database
from pipeline_framework.errors import LockLost, PipelineError
from pipeline_framework.interfaces import Lock

logger = logging.getLogger(__name__)

RENEWALS = 3  # within a lease, so that two may fail before it runs out


class Renewal:
    """What a phase may ask while it works: `lost` is set once the window is another's."""

    def __init__(self, database: Database, lock: Lock, lease_seconds: float) -> None:
        self.lost = threading.Event()
        self.reason = ""
        self._database, self._lock, self._lease_seconds = database, lock, lease_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._keep, name=f"renewal of window {lock.record_id}", daemon=True
        )

    def renew(self) -> None:
        """Renew once; a database that does not answer is asked again at the next turn."""
        try:
            progress.renew(self._database, self._lock, lease_seconds=self._lease_seconds)
        except LockLost as error:
            self.reason = str(error)
            self.lost.set()
        except PipelineError as error:
            logger.warning("window %s: the lease could not be renewed: %s", self._lock.window, error)

    def start(self) -> None:
        """Renew now and from now on."""
        self.renew()
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
    renewal = Renewal(database, lock, lease_seconds)
    renewal.start()
    try:
        yield renewal
    except Exception as error:
        renewal.stop()
        if renewal.lost.is_set() and not isinstance(error, LockLost):
            raise LockLost(renewal.reason) from error
        raise
    finally:
        renewal.stop()
    if renewal.lost.is_set():
        raise LockLost(renewal.reason)

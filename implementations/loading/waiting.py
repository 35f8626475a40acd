"""Who holds a target up: waited for in short turns, and told apart by window and epoch."""

from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random

from implementations.loading.dialect import Table
from pipeline_framework.errors import Unavailable
from pipeline_framework.interfaces import Lock

T = TypeVar("T")


class Busy(Unavailable):
    """Somebody else holds the lock or the file, or changed the same rows just now."""


def patiently(work: Callable[[], T], wait_seconds: float, make_way: Callable[[], object] = lambda: None) -> T:
    """What `work` answers once nobody is in its way, or `wait_seconds` later its `Busy`.

    Before each new turn `make_way` may end whoever is in the way and was overtaken.
    """

    def between(_: RetryCallState) -> None:
        make_way()

    waiting = Retrying(
        retry=retry_if_exception_type(Busy),
        wait=wait_random(0.02, 0.25),
        stop=stop_after_delay(wait_seconds),
        before_sleep=between,
        reraise=True,
    )
    answer: T = waiting(work)
    return answer


def window_key(table: Table, lock: Lock) -> str:
    """What the loads of this window into this table have in common, and no others: 12 letters."""
    # In one case, as most systems do not tell names apart by it, and a pipeline has no two such tables.
    parts = (lock.pipeline_id, lock.mapping_name, str(table).lower(), table.scope_text, str(lock.window))
    return sha256("\0".join(parts).encode()).hexdigest()[:12]

"""The moves of an owner, each with a `How` that the state machine draws."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st

from pipeline_framework.control_table import Database, progress
from pipeline_framework.control_table.states import Phase, Result
from pipeline_framework.interfaces import Lock
from tests.integration.control_table.gates_model import THRESHOLD
from tests.integration.control_table.model import How

PAST, AHEAD = -60.0, 3600.0  # seconds: leases and waits that are over, or not

living = st.sampled_from([True, True, True, False])
hows = st.builds(
    How,
    phase=st.sampled_from([str(phase) for phase in Phase]),
    alive=living,
    waits=st.booleans(),
    result=st.sampled_from(["loaded", "empty", "already_present", "skipped"]),
    count=st.integers(0, 9),
)


def seconds(alive: bool) -> float:
    return AHEAD if alive else PAST


def begin(database: Database, lock: Lock, how: How) -> None:
    progress.begin(database, lock, Phase(how.phase), lease_seconds=seconds(how.alive))


def finish(database: Database, lock: Lock, how: How) -> None:
    phase = Phase.STAGE_TO_TARGET if how.phase == "STAGE_TO_TARGET" else Phase.SOURCE_TO_STAGE
    facts: dict[str, Any] = {"stage_epoch": lock.epoch} if phase is Phase.SOURCE_TO_STAGE else {}
    facts["source_count"] = how.count
    progress.finish(database, lock, phase, park_seconds=seconds(how.alive), **facts)


def renew(database: Database, lock: Lock, how: How) -> None:
    progress.renew(database, lock, lease_seconds=seconds(how.alive))


def park(database: Database, lock: Lock, how: How) -> None:
    progress.park(database, lock, seconds=seconds(how.alive))


def restage(database: Database, lock: Lock, _: How) -> None:
    progress.restage(database, lock)


def complete(database: Database, lock: Lock, how: How) -> None:
    progress.complete(database, lock, Result(how.result), target_count=how.count)


def fail(database: Database, lock: Lock, how: How) -> None:
    progress.fail(database, lock, "no luck", backoff_seconds=AHEAD * how.waits)


def fail_unavailable(database: Database, lock: Lock, how: How) -> None:
    backoff = AHEAD * how.waits
    progress.fail_unavailable(database, lock, "no answer", backoff_seconds=backoff, threshold=THRESHOLD)


def mismatch(database: Database, lock: Lock, how: How) -> None:
    progress.mismatch(database, lock, "rows lost", backoff_seconds=AHEAD * how.waits)


def release(database: Database, lock: Lock, _: How) -> None:
    progress.release(database, lock, "enough")


OWNERS: dict[str, Callable[[Database, Lock, How], None]] = {
    move.__name__: move
    for move in (
        *(begin, finish, renew, park, restage, complete),
        *(fail, fail_unavailable, mismatch, release),
    )
}

"""Processes that make moves of many rows at once, each where it likes: who waits for whom is up to chance."""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline_framework.control_table import Database, PipelineKey, claims, decisions, ranges, rescue
from pipeline_framework.errors import LockConflict, Misuse, PipelineError
from pipeline_framework.windows import Window
from tests.integration.control_table.stories import LATER, add_hours, hour, run
from tests.integration.control_table.workers import together

WINDOWS = 40


def move_in_a_crowd(worker: int, url: str, key: PipelineKey, seconds: float) -> list[str]:
    """Moves of random stretches, as fast as they go; the errors that are no refusals."""
    dice, failed, made = random.Random(worker), [], 0
    with Database(url, patience=0) as database:
        together()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                dice.choice(moves(database, key, dice, worker))()
                made += 1
            except (LockConflict, Misuse):
                continue
            except PipelineError as error:
                failed.append(str(error))
    assert made > 10
    return failed


def moves(
    database: Database, key: PipelineKey, dice: random.Random, worker: int
) -> list[Callable[[], object]]:
    """What may come next."""
    first = dice.randrange(WINDOWS - 10)
    span = Window(hour(first).start, hour(first + dice.randrange(1, 10)).end)
    about: dict[str, Any] = {"first": span.start, "last": span.end, "actor": "ann", "reason": "x"}
    mine = run(f"{worker}", dice.randrange(8))
    taking = [
        partial(claims.claim_oldest, database, key, mine, watermark=LATER, lease_seconds=lease)
        for lease in (60, -1, -1)
    ]
    deciding: list[Callable[..., object]] = [
        decisions.reopen,
        partial(decisions.reopen, force=True),
        decisions.retry,
    ]
    deciding += [decisions.skip, decisions.quarantine]
    return [
        *taking,
        *(partial(decide, database, key, **about) for decide in deciding),
        partial(rescue.rescue, database, key, backoff_seconds=0),
        partial(rescue.release_run, database, key, mine),
        partial(rescue.interrupt_run, database, key, mine),
        partial(
            backfilled, database, key, ranges.Order(span, f"{worker}", "ann", "x", dice.choice([-1, 60]))
        ),
        partial(add_hours, database, key, WINDOWS),
    ]


def backfilled(database: Database, key: PipelineKey, order: ranges.Order) -> None:
    """A range that is registered, and over or left to die."""
    mine, _ = ranges.register_again(database, key, order)
    if order.lease_seconds > 0:
        ranges.end(database, mine)

"""What the processes of the concurrency tests do; each opens the database for itself."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from pipeline_framework.control_table import (
    Database,
    PipelineKey,
    claims,
    decisions,
    migrations,
    new_windows,
    progress,
    ranges,
    rescue,
    sealing,
)
from pipeline_framework.control_table.lease import renewing
from pipeline_framework.control_table.ranges import Order, Range
from pipeline_framework.control_table.states import Phase, Result
from pipeline_framework.errors import LockConflict, LockLost, Misuse
from pipeline_framework.windows import Window
from tests.integration.control_table.stories import FIRST, HOUR, HOURLY, LATER, hour, new, run

# A server that has everything imported forks each worker: quick, and safe beside pytest's threads.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def in_processes(number: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """`work(worker's number, *arguments)` in so many processes that begin together; what they return."""
    barrier = PROCESSES.Barrier(number)
    with ProcessPoolExecutor(number, PROCESSES, initializer=_meet_at, initargs=(barrier,)) as pool:
        jobs = [pool.submit(work, worker, *arguments) for worker in range(number)]
        return [job.result(timeout=60) for job in jobs]


_barrier: list[Any] = []  # of this process


def _meet_at(barrier: Any) -> None:
    _barrier.append(barrier)


def together() -> None:
    """Wait for the others."""
    _barrier[0].wait(timeout=60)


def claim_all(worker: int, url: str, key: PipelineKey) -> list[int]:
    """Claim window after window, each as a run of its own, until there is none; the ids."""
    with Database(url) as database:
        database.now()
        together()
        claimed: list[int] = []
        for number in count():
            owner = run(f"{worker}-{number}")
            record = claims.claim_oldest(database, key, owner, watermark=LATER, lease_seconds=60)
            if record is None:
                return claimed
            claimed.append(record.id)
            time.sleep(0.002)  # lets the others in
    return []


def add_all(worker: int, url: str, key: PipelineKey, windows: int) -> int:
    """Add the same windows as everybody else; how many were new."""
    with Database(url) as database:
        database.now()
        together()
        return new_windows.add(database, key, HOURLY, (new(hour(number)) for number in range(windows)))


def add_shifted(worker: int, url: str, key: PipelineKey) -> bool:
    """Add windows that cross everybody else's, each worker's some minutes later; whether it succeeded."""
    begin = FIRST + worker / 8 * HOUR
    shifted = [Window(begin + number * HOUR, begin + (number + 1) * HOUR) for number in range(20)]
    with Database(url) as database, suppress(Misuse):
        database.now()
        together()
        return new_windows.add(database, key, HOURLY, map(new, shifted)) == len(shifted)
    return False


def migrate_now(worker: int, url: str) -> list[str]:
    """Migrate an empty database together with others; what was applied here."""
    with Database(url) as database:
        together()
        return migrations.migrate(database)


def work_carelessly(worker: int, url: str, key: PipelineKey, seconds: float) -> int:
    """Claim, work longer than the lease at times, and rescue; how often a lock was found lost."""
    lost, dice = 0, random.Random(worker)
    with Database(url) as database:
        together()
        ends = time.monotonic() + seconds
        for number in count():
            if time.monotonic() > ends:
                return lost
            rescue.rescue(database, key, backoff_seconds=0)
            owner = run(f"{worker}-{number}")
            record = claims.claim_oldest(database, key, owner, watermark=LATER, lease_seconds=0.05)
            lost += record is not None and not finished(database, record.lock(), dice)
    return lost


def finished(database: Database, lock: Any, dice: random.Random) -> bool:
    """Take a window to its end under a lease of 50 ms, with pauses of up to 80 ms; whether it got there."""
    try:
        for phase in (Phase.SOURCE_TO_STAGE, Phase.STAGE_TO_TARGET):
            progress.begin(database, lock, phase, lease_seconds=0.05)
            time.sleep(dice.choice([0.0, 0.0, 0.01, 0.08]))
            epoch = {"stage_epoch": lock.epoch} if phase is Phase.SOURCE_TO_STAGE else {}
            progress.finish(database, lock, phase, park_seconds=0.05, **epoch)
        progress.begin(database, lock, Phase.AUDIT, lease_seconds=0.05)
        time.sleep(dice.choice([0.0, 0.0, 0.01, 0.08]))
        progress.complete(database, lock, Result.LOADED)
    except (LockLost, Misuse):  # Misuse: another run left its markers before this one claimed
        return False
    return True


def work_with_renewal(url: str, key: PipelineKey, seconds: float, outcome: Any) -> None:
    """Claim a window, work on it for `seconds` under a lease that is renewed; tell the outcome."""
    with Database(url) as database:
        record = claims.claim_oldest(database, key, run("worker"), watermark=LATER, lease_seconds=60)
        assert record is not None
        lock = progress.begin(database, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=0.9).lock()
        outcome.put(os.getpid())
        try:
            with renewing(database, lock, 0.9):
                time.sleep(seconds)
            progress.finish(database, lock, Phase.SOURCE_TO_STAGE, park_seconds=60, stage_epoch=lock.epoch)
        except LockLost as error:
            outcome.put(f"lost: {error}")
        else:
            outcome.put("finished")


def die_in_phase(url: str, key: PipelineKey) -> None:
    """Claim a window, begin a phase and be killed."""
    with Database(url) as database:
        record = claims.claim_oldest(database, key, run("victim"), watermark=LATER, lease_seconds=60)
        assert record is not None
        progress.begin(database, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=0.2)
        os.kill(os.getpid(), signal.SIGKILL)


def register_now(worker: int, url: str, key: PipelineKey) -> str:
    """Register a range that overlaps everybody else's by some hours."""
    span = Window(hour(worker).start, hour(worker + 4).end)
    with Database(url) as database:
        database.now()
        together()
        try:
            ranges.register(database, key, Order(span, f"backfill {worker}", "ann", "why", 60))
        except LockConflict:
            return "refused"
        return "registered"


def take_own_part(worker: int, url: str, key: PipelineKey) -> list[int]:
    """Workers 0 and 1 backfill twenty hours each, the others run what they are given; the ids they took."""
    with Database(url) as database:
        take = partial(claims.claim_oldest, watermark=LATER)
        if worker < 2:
            span = Window(hour(20 * worker).start, hour(20 * worker + 19).end)
            mine = ranges.register(database, key, Order(span, f"backfill {worker}", "ann", "why", 60))
            take = partial(claims.claim_oldest_of_range, mine=mine)
        together()
        taken: list[int] = []
        while record := take(database, key, run(f"{worker}-{len(taken)}"), lease_seconds=60):
            taken.append(record.id)
            time.sleep(0.002)
        return taken


def backfill_carelessly(worker: int, url: str, key: PipelineKey, seconds: float) -> None:
    """Register the same hours as everybody else under a lease that runs out soon; complete some."""
    dice = random.Random(worker)
    with Database(url) as database:
        together()
        ends = time.monotonic() + seconds
        for number in count():
            if time.monotonic() > ends:
                return
            order = Order(Window(hour(0).start, hour(29).end), f"b {worker} {number}", "ann", "why", 0.03)
            with suppress(LockConflict):
                complete_some(database, key, ranges.register(database, key, order), dice)
            time.sleep(0.01)


def complete_some(database: Database, key: PipelineKey, mine: Range, dice: random.Random) -> None:
    """Complete up to five windows of a range, each under a lock of its own."""
    for number in range(5):
        record = claims.claim_oldest_of_range(
            database, key, run(f"{mine.owner} {number}"), mine, lease_seconds=60
        )
        if record is None:
            return
        assert record.range_id == mine.id
        time.sleep(dice.choice([0.0, 0.01, 0.05]))
        progress.complete(database, record.lock(), Result.LOADED)
    ranges.end(database, mine)


def seal_and_reopen(worker: int, url: str, key: PipelineKey, seconds: float) -> None:
    """Seal, reopen some hours or finish what is reopened, in turns by chance."""
    dice = random.Random(worker)
    with Database(url) as database:
        database.now()
        together()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            first = FIRST + dice.randrange(96) * HOUR
            act = dice.choice(["seal", "seal", "reopen", "finish", "finish"])
            if act == "seal":
                sealing.seal(database, key)
            elif act == "reopen":
                decisions.reopen(database, key, first=first, last=first + 2 * HOUR, actor="ann", reason="why")
            else:
                finish_one(database, key, f"{worker}-{dice.random()}")


def finish_one(database: Database, key: PipelineKey, name: str) -> None:
    """Claim the oldest window that waits and end it well."""
    record = claims.claim_oldest(database, key, run(name), watermark=LATER, lease_seconds=60)
    if record:
        progress.complete(database, record.lock(), Result.LOADED, target_count=1)

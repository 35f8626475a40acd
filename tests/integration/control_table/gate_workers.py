"""What the processes do that meet at a pipeline's gates; each opens the database for itself."""

import time
from datetime import datetime
from itertools import count

from pipeline_framework.control_table import Database, PipelineKey, claims, gates, progress
from pipeline_framework.control_table.states import Result
from tests.integration.control_table.stories import HOURLY, LATER, run
from tests.integration.control_table.workers import together

THRESHOLD, BACKOFF = 3, 600.0


def work_in_order(worker: int, url: str, key: PipelineKey, windows: int) -> int:
    """Claim in strict order, let go now and then, until every window is done; how many were done here."""
    done = 0
    with Database(url) as database:
        database.now()
        together()
        for number in count():
            owner = run(f"{worker}-{number}")
            record = claims.claim_in_order(database, key, owner, watermark=LATER, lease_seconds=60)
            if record is None:
                if finished(database, key) == windows:
                    return done
                continue
            if number % 5 == worker % 5:
                progress.release(database, record.lock(), "not now")
                continue
            progress.complete(database, record.lock(), Result.LOADED)
            done += 1
    return done


def finished(database: Database, key: PipelineKey) -> int:
    """Windows that are COMPLETED."""
    rows = database.run("counts_by_status", **key.parameters)
    return sum(row["windows"] for row in rows if row["pipeline_status"] == "COMPLETED")


def fail_together(worker: int, url: str, key: PipelineKey) -> tuple[int, bool]:
    """Hold a window, and meet an outage at the same moment as everybody else.

    Returns the attempts that were counted, and whether the window waits beyond the circuit's end.
    """
    wait = {"threshold": THRESHOLD, "backoff_seconds": BACKOFF}
    with Database(url) as database:
        record = claims.claim_oldest(database, key, run(str(worker)), watermark=LATER, lease_seconds=60)
        assert record is not None
        together()
        failed = progress.fail_unavailable(database, record.lock(), "down", **wait)  # type: ignore[arg-type]
        gates.note_unavailable(database, key, "down", **wait)  # type: ignore[arg-type]
        until = gates.gates(database, key).circuit_until
        return failed.retry_attempt, bool(until and failed.not_before and failed.not_before >= until)


def succeed_and_fail(worker: int, url: str, key: PipelineKey, turns: int) -> int:
    """Half of the workers tell of failures, half of successes, as fast as they can; how often it counted."""
    with Database(url) as database:
        database.now()
        together()
        if worker % 2:
            return sum(gates.close_circuit(database, key) for _ in range(turns))
        note = [
            gates.note_unavailable(database, key, "down", threshold=THRESHOLD, backoff_seconds=0)
            for _ in range(turns)
        ]
        return sum(noted is not None for noted in note)


def claim_until_paused(worker: int, url: str, key: PipelineKey) -> list[datetime]:
    """Claim and let go until nothing is given; when each claim was made, by the database's clock.

    Worker 0 pauses meanwhile, and returns when that was done.
    """
    given: list[datetime] = []
    with Database(url) as database:
        database.now()
        together()
        if worker == 0:
            time.sleep(0.3)
            gates.pause(database, key, HOURLY, actor="ann", reason="why")
            return [database.now()]
        for number in range(1000):
            owner = run(f"{worker}-{number}")
            record = claims.claim_oldest(database, key, owner, watermark=LATER, lease_seconds=60)
            if record is None:
                break
            assert record.pipeline_locked_at is not None
            given.append(record.pipeline_locked_at)
            progress.release(database, record.lock(), "again")
    return given

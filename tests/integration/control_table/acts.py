"""Every move of `states.MOVES` with the story before it: `ACTS[move](database, key)` gives the act itself.

An act may be called twice, as a maker does that was not told whether the first time succeeded.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline_framework.control_table import (
    Database,
    PipelineKey,
    Record,
    claims,
    decisions,
    progress,
    ranges,
    rescue,
    tail,
)
from pipeline_framework.control_table.states import Phase, Result
from pipeline_framework.windows import Window
from tests.integration.control_table.stories import FIRST, LATER, add_hours, claim, hour, loaded, run, staged
from tests.services.control import age_leases, by_hand

Act = Callable[[], object]
TEMPORARY = "__airflow_temporary_run_"
READY: dict[str, Any] = {"watermark": LATER, "lease_seconds": 60}
ALL: dict[str, Any] = {"first": FIRST, "last": hour(1).end, "actor": "ann", "reason": "x"}


def held(database: Database, key: PipelineKey) -> Record:
    """A window of two that the run has loaded and not audited."""
    add_hours(database, key, 2)
    record = claim(database, key)
    loaded(database, record.lock())
    return record


def ranged(database: Database, key: PipelineKey) -> ranges.Range:
    """Two windows set aside."""
    add_hours(database, key, 2)
    return ranges.register(database, key, order())


def order() -> ranges.Order:
    return ranges.Order(Window(FIRST, hour(1).end), "backfill", "ann", "x", 60)


def waiting(database: Database, key: PipelineKey) -> None:
    """A window whose wait after a failure is over."""
    add_hours(database, key, 1)
    progress.fail(database, claim(database, key).lock(), "no luck", backoff_seconds=9)
    past = "UPDATE pipeline_records SET not_before = '2001-01-01T00:00:00.000000Z' WHERE pipeline_id = :id"
    by_hand(database, past, id=key.pipeline_id)


def died(database: Database, key: PipelineKey) -> None:
    """A window whose owner died in a phase."""
    add_hours(database, key, 1, max_attempts=1)
    progress.begin(database, claim(database, key).lock(), Phase.SOURCE_TO_STAGE, lease_seconds=60)
    age_leases(database, key)


def quarantined(database: Database, key: PipelineKey) -> None:
    add_hours(database, key, 2, max_attempts=1)
    progress.fail(database, claim(database, key).lock(), "no luck", backoff_seconds=0)


def done(database: Database, key: PipelineKey) -> None:
    add_hours(database, key, 2)
    progress.complete(database, claim(database, key).lock(), Result.EMPTY)


def after(before: Callable[[Database, PipelineKey], Any], act: Callable[..., object], **how: Any) -> Any:
    """The act on (database, key, *what `before` made)."""

    def made(database: Database, key: PipelineKey) -> Act:
        before(database, key)
        return partial(act, database, key, **how)

    return made


def by_owner(act: Callable[..., object], *words: object, **how: Any) -> Any:
    """The act of the owner of a loaded window."""

    def made(database: Database, key: PipelineKey) -> Act:
        return partial(act, database, held(database, key).lock(), *words, **how)

    return made


def of_range(act: Callable[..., object], *words: object, **how: Any) -> Any:
    """The act of the backfill that holds a range."""

    def made(database: Database, key: PipelineKey) -> Act:
        mine = ranged(database, key)
        return partial(act, database, key, *words, mine, **how)

    return made


def beginning(database: Database, key: PipelineKey) -> Act:
    add_hours(database, key, 1)
    lock = claim(database, key).lock()
    return partial(progress.begin, database, lock, Phase.SOURCE_TO_STAGE, lease_seconds=60)


def finishing(database: Database, key: PipelineKey) -> Act:
    add_hours(database, key, 1)
    lock = claim(database, key).lock()
    progress.begin(database, lock, Phase.SOURCE_TO_STAGE, lease_seconds=60)
    how: dict[str, Any] = {"park_seconds": 60, "stage_epoch": 1}
    return partial(progress.finish, database, lock, Phase.SOURCE_TO_STAGE, **how)


def loading(database: Database, key: PipelineKey) -> Act:
    add_hours(database, key, 1)
    lock = claim(database, key).lock()
    staged(database, lock)
    return partial(progress.begin, database, lock, Phase.STAGE_TO_TARGET, lease_seconds=60)


def clearing(database: Database, key: PipelineKey, *, only_stale: bool) -> Act:
    record = held(database, key)
    age_leases(database, key)
    who: dict[str, Any] = {"actor": "ann", "reason": "x"}
    return partial(decisions.clear_lock, database, record.id, only_stale=only_stale, **who)


def hours(database: Database, key: PipelineKey) -> None:
    add_hours(database, key, 2)


def temporary(database: Database, key: PipelineKey) -> None:
    add_hours(database, key, 1)
    claim(database, key, TEMPORARY + "1")


ACTS: dict[str, Callable[[Database, PipelineKey], Act]] = {
    "add_windows": lambda database, key: partial(add_hours, database, key, 3),
    "claim_oldest": after(hours, claims.claim_oldest, holder=run(), **READY),
    "claim_newest": after(hours, claims.claim_newest, holder=run(), **READY),
    "claim_held_back": after(waiting, claims.claim_held_back, holder=run(), **READY),
    "claim_in_order": after(hours, claims.claim_in_order, holder=run(), **READY),
    "claim_window": after(hours, claims.claim_window, holder=run(), window_start=FIRST, lease_seconds=60),
    "reserve": after(hours, ranges.register, order=order()),
    "claim_oldest_of_range": of_range(claims.claim_oldest_of_range, run(), lease_seconds=60),
    "claim_newest_of_range": of_range(claims.claim_newest_of_range, run(), lease_seconds=60),
    "leave_range": lambda database, key: partial(ranges.end, database, ranged(database, key)),
    "resume": after(held, claims.resume, holder=run(), lease_seconds=60),
    "adopt_temporary": after(
        temporary, claims.adopt_temporary, holder=run(TEMPORARY + "2"), lease_seconds=60
    ),
    "begin_source_to_stage": beginning,
    "finish_source_to_stage": finishing,
    "begin_stage_to_target": loading,
    "finish_stage_to_target": by_owner(progress.finish, Phase.STAGE_TO_TARGET, park_seconds=60),
    "begin_audit": by_owner(progress.begin, Phase.AUDIT, lease_seconds=60),
    "renew": by_owner(progress.renew, lease_seconds=60),
    "park": by_owner(progress.park, seconds=60),
    "restage": by_owner(progress.restage),
    "complete": by_owner(progress.complete, Result.LOADED),
    "fail": by_owner(progress.fail, "no luck", backoff_seconds=0),
    "fail_unavailable": by_owner(progress.fail_unavailable, "down", backoff_seconds=0, threshold=3),
    "mismatch": by_owner(progress.mismatch, "lost", backoff_seconds=0),
    "release": by_owner(progress.release, "enough"),
    "release_run": after(held, rescue.release_run, holder=run()),
    "release_slot": after(held, rescue.release_slot, holder=run(), backoff_seconds=0),
    "interrupt_run": after(held, rescue.interrupt_run, holder=run()),
    "rescue": after(died, rescue.rescue, backoff_seconds=0),
    "reopen": after(done, decisions.reopen, **ALL),
    "force_reopen": after(done, decisions.reopen, **ALL, force=True),
    "retry": after(quarantined, decisions.retry, **ALL),
    "skip": after(quarantined, decisions.skip, **ALL),
    "quarantine": after(hours, decisions.quarantine, **ALL),
    "regrid": after(hours, tail.drop, actor="ann", reason="x"),
    "clear_lock": partial(clearing, only_stale=False),
    "clear_stale_lock": partial(clearing, only_stale=True),
}

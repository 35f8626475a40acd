"""Whose turn it is: the next window in line or a chosen one, and why there is none."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_framework.control_table import Record, claims
from pipeline_framework.control_table.gates import gates
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import FutureData, LockConflict, Misuse, NothingPending
from pipeline_framework.generation import Choice, ready_until
from pipeline_framework.holding_back import By, held_back_by
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.windows import Window

QUESTIONS = 100  # windows that `ready:` is asked for before a claim
NAMED = 3  # windows that a message lists


@dataclass(frozen=True, slots=True)
class Order:
    """How windows are claimed one after the other.

    `exactly` claims within a span of one window; `failed_before` is for a circuit that wants proof when
    `claim` has no fresh window to give it; `ready:` is asked for `questions` of those `listed`.
    """

    claim: Callable[..., Record | None]
    exactly: Callable[..., Record | None]
    failed_before: Callable[..., Record | None]
    listed: Callable[..., list[Record]]
    questions: int


OLDEST_FIRST = Order(
    claims.claim_oldest, claims.claim_oldest, claims.claim_held_back, claims.oldest_waiting, QUESTIONS
)
NEWEST_FIRST = replace(OLDEST_FIRST, claim=claims.claim_newest, listed=claims.newest_waiting)
STRICT = Order(claims.claim_in_order, claims.claim_in_order, claims.claim_in_order, claims.oldest_waiting, 1)


def next_in_line(pipeline: Pipeline, now: datetime, choice: Choice) -> Record:
    """The oldest (or newest) ready window of the choice, locked; `NothingPending` says why there is none."""
    until, order = ready_until(pipeline, now), order_of(pipeline, choice)
    last = min(until, choice.last) if choice.last else until
    if by := held_back_by(pipeline):
        return asked_for(pipeline, order, choice.first, last, by)
    record = taken(pipeline, order, choice.first, last)
    if record is None:
        raise NothingPending(why_none(pipeline, until))
    return record


def order_of(pipeline: Pipeline, choice: Choice) -> Order:
    """The pipeline's order; `Misuse` when the choice is against it."""
    if pipeline.config.order == "any":
        return NEWEST_FIRST if choice.newest_first else OLDEST_FIRST
    if choice.newest_first:
        raise Misuse(
            f"{pipeline.config.file} says order: strict, which runs the oldest window first; "
            "leave out --newest-first, or set order: any."
        )
    return STRICT


def taken(pipeline: Pipeline, order: Order, first: datetime | None, last: datetime) -> Record | None:
    """A window of [first, last) newly locked; a circuit that wants proof may get it from one that failed."""
    span = {"since": first, "watermark": last, "lease_seconds": pipeline.holder.park_seconds}
    record = order.claim(pipeline.database, pipeline.key, pipeline.holder, **span)
    if record is None and gates(pipeline.database, pipeline.key).circuit_until:
        return order.failed_before(pipeline.database, pipeline.key, pipeline.holder, **span)
    return record


def asked_for(pipeline: Pipeline, order: Order, first: datetime | None, last: datetime, by: By) -> Record:
    """The first window in line that is not held back, locked; the others are not written to."""
    exactly, held_back = replace(order, claim=order.exactly), defaultdict[str, list[Window]](list)
    for record in to_ask(pipeline, order, first, last):
        if keeper := by(record):
            held_back[keeper].append(record.window)
            continue
        mine = taken(pipeline, exactly, record.window_start_time, record.window_end_time)
        if mine:
            return mine
    raise NothingPending(why_none(pipeline, last) + not_yet(held_back))


def to_ask(pipeline: Pipeline, order: Order, first: datetime | None, last: datetime) -> list[Record]:
    """The windows to be asked for, in turn; those that failed last, when a circuit wants proof."""
    span = {"since": first, "watermark": last, "limit": order.questions}
    found = order.listed(pipeline.database, pipeline.key, **span)
    if gates(pipeline.database, pipeline.key).circuit_until:
        return sorted(found, key=lambda record: record.not_before is not None)
    return found


def chosen(pipeline: Pipeline, now: datetime, start: datetime) -> Record:
    """The window that starts at `start`, locked whatever its place in line; in strict order in its turn."""
    row = window_at(pipeline, start)
    until = ready_until(pipeline, now)
    if row is None or row.window_end_time > until:
        raise FutureData(not_due(pipeline, start, until))
    by = held_back_by(pipeline) if row.pipeline_status is Status.PENDING else None
    if by and (keeper := by(row)):
        raise NothingPending(not_yet({keeper: [row.window]}).strip())
    record = taken_out_of_turn(pipeline, row)
    if record is None:
        raise refusal(pipeline, row)
    return record


def taken_out_of_turn(pipeline: Pipeline, row: Record) -> Record | None:
    """The very window, locked; None when it is not to be had."""
    if pipeline.config.order == "strict":
        return taken(pipeline, STRICT, row.window_start_time, row.window_end_time)
    return claims.claim_window(
        pipeline.database,
        pipeline.key,
        pipeline.holder,
        window_start=row.window_start_time,
        lease_seconds=pipeline.holder.park_seconds,
    )


def refusal(pipeline: Pipeline, row: Record) -> NothingPending | LockConflict | Misuse:
    """Why a chosen window was not locked."""
    explanation = gates(pipeline.database, pipeline.key).explanation
    if explanation:
        return NothingPending(f"{pipeline.config.pipeline_id}: {explanation}")
    first = claims.first_in_order(pipeline.database, pipeline.key)
    if pipeline.config.order == "strict" and first and first.id != row.id:
        return Misuse(
            f"{pipeline.config.file} says order: strict, and {first.standing}: it comes before window "
            f"{row.window}. Finish it or `pipeline skip --window {first.id}`, or set order: any."
        )
    return LockConflict(claims.whose(pipeline.database, row.id))


def window_at(pipeline: Pipeline, start: datetime) -> Record | None:
    """The row of the window that starts at `start`."""
    rows = pipeline.database.run("window_at", **pipeline.key.parameters, window_start=start)
    return Record.of(rows[0]) if rows else None


def why_none(pipeline: Pipeline, until: datetime) -> str:
    """Why no window could be locked: what holds claims back, who holds some, which wait."""
    explanation = gates(pipeline.database, pipeline.key).explanation
    if explanation:
        return f"{pipeline.config.pipeline_id}: {explanation}"
    row = pipeline.database.run("why_none", **pipeline.key.parameters)[0]
    parts = [
        f"{row['held']} held by another run (`pipeline locks list`)" if row["held"] else "",
        f"{row['waiting']} waiting to be tried again (`pipeline retry`)" if row["waiting"] else "",
        f"{row['quarantined']} quarantined (`pipeline windows --status FAILED`)"
        if row["quarantined"]
        else "",
        out_of_order(pipeline),
    ]
    rest = ", ".join(part for part in parts if part)
    return f"no window is ready before {until:%Y-%m-%dT%H:%M:%SZ}" + (f"; {rest}." if rest else ".")


def out_of_order(pipeline: Pipeline) -> str:
    """With `order: strict`, the window that all later ones wait for."""
    if pipeline.config.order == "any":
        return ""
    first = claims.first_in_order(pipeline.database, pipeline.key)
    if first is None:
        return ""
    return f"order: strict waits for window {first.window} (id {first.id}), which is {first.pipeline_status}"


def not_yet(held_back: Mapping[str, list[Window]]) -> str:
    """Which windows are held back, and by what."""
    return "".join(
        f" Held back by {by}: {', '.join(map(str, windows[:NAMED]))}"
        + (f" and {len(windows) - NAMED} more." if len(windows) > NAMED else ".")
        for by, windows in held_back.items()
    )


def not_due(pipeline: Pipeline, start: datetime, until: datetime) -> str:
    """Why there is no window to take at `start`."""
    return (
        f"{pipeline.config.pipeline_id} has no ready window that starts at {start:%Y-%m-%dT%H:%M:%SZ}: "
        f"ready until {until:%Y-%m-%dT%H:%M:%SZ}; `pipeline windows` and `pipeline plan` list the starts."
    )

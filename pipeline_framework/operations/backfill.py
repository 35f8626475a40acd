"""Run a chosen range of past windows, which no other run takes meanwhile."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline_framework.control_table import Record, ranges
from pipeline_framework.control_table.lease import keeping
from pipeline_framework.control_table.ranges import Order, Range
from pipeline_framework.errors import Misuse
from pipeline_framework.generation import Choice, generate, ready_until
from pipeline_framework.interfaces import Lock
from pipeline_framework.locking import rescued
from pipeline_framework.operations.line import Line
from pipeline_framework.operations.outcome import Outcome
from pipeline_framework.operations.repair import require_replaceable
from pipeline_framework.operations.slots import at_the_line, require_any_order
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.range_turns import left_of, lock_of_range, standing
from pipeline_framework.reports.plan import plan, with_finished
from pipeline_framework.turns import order_of
from pipeline_framework.windows import Window

NAMED = 10  # windows of other runs that are told of at the end


@dataclass(frozen=True, slots=True)
class Wish:
    """The windows that touch `choice`, in so many slots at once; who wants it and why."""

    choice: Choice
    slots: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Backfill:
    """A range of whole windows that is ours, `windows` of them to run."""

    range: Range
    windows: int
    wish: Wish


@contextmanager
def registered(pipeline: Pipeline, now: datetime, wish: Wish) -> Iterator[Backfill]:
    """Add the windows of the range, set them aside and keep them so inside the block; then let the rest go.

    Finished windows are left alone. Raises `Misuse` when the range begins before the pipeline's `start`, or
    holds no ready window, `LockConflict` naming who has a range that overlaps it, `LockLost` at the end when
    the range was let go meanwhile.
    """
    order = prepared(pipeline, now, wish)
    mine = ranges.register(pipeline.database, pipeline.key, order)
    with kept(pipeline, mine):
        yield backfill_of(pipeline, mine, wish)


@contextmanager
def registered_again(pipeline: Pipeline, now: datetime, wish: Wish) -> Iterator[Backfill]:
    """The same, and finished windows of the range are reopened first, for the wish's reason.

    Raises as `repair.reopen` does.
    """
    order = prepared(pipeline, now, wish)
    require_replaceable(pipeline, order.span.start, order.span.end)
    mine, reopened = ranges.register_again(pipeline.database, pipeline.key, order)
    for record in reopened:
        pipeline.moved(record)
    with kept(pipeline, mine):
        yield backfill_of(pipeline, mine, wish)


def run_backfill(pipeline: Pipeline, backfill: Backfill) -> Generator[Outcome]:
    """Run the windows that the range sets aside, a result for each; locks no other window.

    Each runs once. Raises as `slots.at_the_line` does.
    """
    newest_first = backfill.wish.choice.newest_first

    def claim(slot: Pipeline, _: Choice) -> Lock:
        return lock_of_range(slot, backfill.range, newest_first=newest_first)

    return at_the_line(pipeline, Line(claim, backfill.wish.choice), backfill.wish.slots)


def would_run(pipeline: Pipeline, now: datetime, wish: Wish) -> Iterator[dict[str, Any]]:
    """What a backfill would run, oldest first, by column; writes nothing. Raises as `registered` does."""
    require_free(pipeline, wish)
    return plan(pipeline, now, wish.choice)


def would_run_again(pipeline: Pipeline, now: datetime, wish: Wish) -> Iterator[dict[str, Any]]:
    """The same with the finished windows that would be reopened first."""
    require_free(pipeline, wish)
    require_replaceable(pipeline, *require_span(pipeline, wish.choice))
    return with_finished(pipeline, now, wish.choice)


def left_behind(pipeline: Pipeline, backfill: Backfill) -> list[str]:
    """What of the range this backfill did not run, and why: a sentence each; empty when all is done."""
    span = {"first": backfill.range.span.start, "last": backfill.range.span.end}
    rows = pipeline.database.run("held_within", **pipeline.key.parameters, **span, page_size=NAMED)
    held = [f"{Record.of(row).standing}; this backfill did not run it." for row in rows]
    rest = left_of(pipeline, backfill.range)
    return [*held, f"the range is not done: {rest}."] if rest else held


def prepared(pipeline: Pipeline, now: datetime, wish: Wish) -> Order:
    """Windows added, stale ones put back: what to ask the control table for."""
    require_order(pipeline, wish)
    pipeline.transfer  # noqa: B018 - a wrong key of a connector is found before a window is set aside
    require_span(pipeline, wish.choice)
    generate(pipeline, now, wish.choice)
    rescued(pipeline)
    span = edges(pipeline, now, wish.choice)
    owner, lease = pipeline.holder.dag_run_id, pipeline.config.lease_seconds
    return Order(span, owner, wish.actor, wish.reason, lease)


def edges(pipeline: Pipeline, now: datetime, choice: Choice) -> Window:
    """The choice's range, widened to the edges of ready windows; `Misuse` when it touches none."""
    row = pipeline.database.run(
        "edges_touching",
        **pipeline.key.parameters,
        first=choice.first,
        last=choice.last,
        watermark=ready_until(pipeline, now),
    )[0]
    if row["first"] is None:
        raise Misuse(nothing_there(pipeline, choice))
    return Window(row["first"], row["last"])


@contextmanager
def kept(pipeline: Pipeline, mine: Range) -> Iterator[None]:
    """Keep the range while the block works, and let go of it however that ends."""
    try:
        with keeping(pipeline.database, mine, pipeline.config.lease_seconds):
            yield
    finally:
        ranges.end(pipeline.database, mine)


def backfill_of(pipeline: Pipeline, mine: Range, wish: Wish) -> Backfill:
    """The backfill of a range that is ours."""
    return Backfill(mine, standing(pipeline, mine)["set_aside"], wish)


def require_order(pipeline: Pipeline, wish: Wish) -> None:
    """Raise `Misuse` for what `order: strict` does not allow."""
    require_any_order(pipeline, wish.slots)
    order_of(pipeline, wish.choice)


def require_free(pipeline: Pipeline, wish: Wish) -> None:
    """Refuse what `registered` would refuse, without adding a window."""
    require_order(pipeline, wish)
    first, last = require_span(pipeline, wish.choice)
    ranges.require_free(pipeline.database, pipeline.key, Window(first, last))


def require_span(pipeline: Pipeline, choice: Choice) -> tuple[datetime, datetime]:
    """Both ends of the range: windows before `start` are not this pipeline's, and time runs forward."""
    if choice.first is None or choice.last is None or choice.last <= choice.first:
        raise Misuse("--to must be later than --from; a date means its midnight, so a day ends at the next.")
    if choice.first < pipeline.config.start:
        raise Misuse(
            f"--from {choice.first:%Y-%m-%dT%H:%M:%SZ} is before the pipeline's start; "
            f"set an earlier start in {pipeline.config.file} first."
        )
    return choice.first, choice.last


def nothing_there(pipeline: Pipeline, choice: Choice) -> str:
    """Why a range holds no window."""
    return (
        f"no ready window of {pipeline.config.pipeline_id} touches {choice.first:%Y-%m-%dT%H:%M:%SZ} to "
        f"{choice.last:%Y-%m-%dT%H:%M:%SZ}; `pipeline status` says until when windows are ready."
    )

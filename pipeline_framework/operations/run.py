"""Run windows in this process: one, some, or all that are ready."""

from collections.abc import Generator
from datetime import datetime

from pipeline_framework.generation import OLDEST, Choice, generate, ready_until
from pipeline_framework.interfaces import Lock
from pipeline_framework.locking import lock_next, module_chooses, rescued, store_and_validate
from pipeline_framework.operations.line import EVERYTHING, Budget, Line
from pipeline_framework.operations.outcome import Outcome, one_by_one, run_locked, sealed
from pipeline_framework.operations.slots import at_the_line, require_any_order
from pipeline_framework.pipeline import Pipeline

__all__ = ["Outcome", "budget_of", "prepare", "run_once", "run_side_by_side", "run_some"]


def budget_of(pipeline: Pipeline) -> Budget:
    """What `windows_per_run` and `run_seconds` allow a run that was not told otherwise."""
    windows = pipeline.config.windows_per_run
    return Budget(windows or None, None if windows == 1 else pipeline.config.run_seconds)


def run_once(
    pipeline: Pipeline, now: datetime, choice: Choice = OLDEST, *, retry_in: float | None = None
) -> Outcome:
    """Generate, lock one window, move and audit it, clear stale locks.

    A window that fails is an `Outcome` with its error. Raises a `NothingToDo` when there is none to run,
    and whatever keeps the control table from answering. `retry_in`: see `attempts.carry_out`.
    """
    outcome = run_locked(pipeline, lambda: store_and_validate(pipeline, now, choice), retry_in)
    sealed(pipeline)
    return outcome


def run_some(
    pipeline: Pipeline,
    now: datetime,
    budget: Budget = EVERYTHING,
    choice: Choice = OLDEST,
    *,
    retry_in: float | None = None,
) -> Generator[Outcome]:
    """Run windows one after the other, a result for each, as many as the budget allows and are ready.

    The first is the one that this run holds already, if it does. A failed one does not stop the rest, and
    none runs twice; one that waits for the next try of this very run (`retry_in`) ends it. Raises the
    `NothingToDo` that says why when not even one could be run.
    """

    def claim(slot: Pipeline, rest: Choice) -> Lock:
        lock = store_and_validate if rest == choice else lock_next
        return lock(slot, now, rest_of(slot, choice, rest))

    line = Line(claim, choice, Budget(1) if choice.window_start else budget)
    yield from one_by_one(pipeline, line, retry_in)
    sealed(pipeline)


def run_side_by_side(
    pipeline: Pipeline, now: datetime, slots: int, budget: Budget = EVERYTHING
) -> Generator[Outcome]:
    """The same in so many slots at once, of windows that `prepare` added; raises as `at_the_line` does."""

    def claim(slot: Pipeline, rest: Choice) -> Lock:
        return lock_next(slot, now, rest_of(slot, OLDEST, rest))

    return at_the_line(pipeline, Line(claim, budget=budget), slots)


def prepare(pipeline: Pipeline, now: datetime, slots: int = 1) -> int:
    """Add the windows that are due and put stale ones back; how many are ready to run."""
    require_any_order(pipeline, slots)
    pipeline.transfer  # noqa: B018 - a wrong key of a connector is found before a window is locked
    generate(pipeline, now)
    rescued(pipeline)
    ready = pipeline.database.run(
        "ready_windows", **pipeline.key.parameters, watermark=ready_until(pipeline, now)
    )
    return int(ready[0]["windows"])


def rest_of(pipeline: Pipeline, choice: Choice, rest: Choice) -> Choice:
    """What is left of a choice; a module that chooses knows by itself what it has not chosen yet."""
    return choice if module_chooses(pipeline, choice) else rest

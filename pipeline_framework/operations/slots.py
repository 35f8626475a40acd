"""Slots of one run, side by side: each is a thread with connectors of its own, at one line for windows.

Data moves in C++ and Rust, which let go of the interpreter, so threads use the cores. The threads are
daemons: whoever stops the run puts their windows back under a new epoch and leaves, however long they would
still work.
"""

import logging
import threading
from collections.abc import Generator
from dataclasses import dataclass
from queue import SimpleQueue

from pipeline_framework.control_table import rescue
from pipeline_framework.errors import Misuse, NothingToDo, PipelineError
from pipeline_framework.operations.line import Line
from pipeline_framework.operations.outcome import Outcome, one_by_one, sealed
from pipeline_framework.pipeline import Pipeline

logger = logging.getLogger(__name__)

NAME = "slot "  # of a thread, followed by its number


@dataclass(frozen=True, slots=True)
class Over:
    """A slot takes no more windows: the line is empty, or an error stopped it."""

    error: BaseException | None = None


def at_the_line(pipeline: Pipeline, line: Line, slots: int) -> Generator[Outcome]:
    """Run the line's windows in so many slots; a result for each, as it comes.

    Raises the `NothingToDo` of a line that had no window at all. An error that is no window's own stops the
    line: windows that run are finished, their results come, and then the error is raised, a `Misuse` first.
    """
    require_any_order(pipeline, slots)
    yield from one_by_one(pipeline, line) if slots == 1 else side_by_side(pipeline, line, slots)
    sealed(pipeline)


def require_any_order(pipeline: Pipeline, slots: int) -> None:
    """Raise `Misuse` where windows may only run one after the other."""
    if slots > 1 and pipeline.config.order == "strict":
        raise Misuse(
            f"{pipeline.config.file} says order: strict, which runs one window after the other; "
            "leave out --parallel, or set order: any."
        )


def side_by_side(pipeline: Pipeline, line: Line, slots: int) -> Generator[Outcome]:
    """The same for two slots and more."""
    heard: SimpleQueue[Outcome | Over] = SimpleQueue()
    threads = [
        threading.Thread(
            target=work, args=(pipeline.slot(number), line, heard), name=f"{NAME}{number}", daemon=True
        )
        for number in range(slots)
    ]
    try:
        for thread in threads:
            thread.start()
        yield from outcomes(heard, line, slots)
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        line.close("this run was stopped.")
        put_back(pipeline)
        raise


def outcomes(heard: "SimpleQueue[Outcome | Over]", line: Line, slots: int) -> Generator[Outcome]:
    """What the slots tell, until all of them are over."""
    errors: list[BaseException] = []
    while slots:
        told = heard.get()
        if isinstance(told, Outcome):
            yield told
            continue
        slots -= 1
        if told.error:
            errors.append(told.error)
    if worst := worst_of(errors, line):
        raise worst


def worst_of(errors: list[BaseException], line: Line) -> BaseException | None:
    """The error to raise; that a slot found nothing to do is none, when another did."""
    serious = [error for error in errors if not isinstance(error, NothingToDo)]
    serious.sort(key=lambda error: not isinstance(error, Misuse))
    for other in serious[1:]:
        logger.warning("another slot stopped: %s", other)
    if serious:
        return serious[0]
    return errors[0] if errors and not line.handed_out else None


def work(slot: Pipeline, line: Line, heard: "SimpleQueue[Outcome | Over]") -> None:
    """What a slot's thread does: window after window, and whatever ends it is told."""
    try:
        for outcome in one_by_one(slot, line):
            heard.put(outcome)
        heard.put(Over())
    except NothingToDo as reason:
        heard.put(Over(reason))
    except BaseException as error:  # noqa: BLE001 - told, and raised where somebody hears it
        line.close("another slot of this run met an error.")
        heard.put(Over(error))


def put_back(pipeline: Pipeline) -> None:
    """Let go of what the run's slots hold, at once and uncounted; a slot that still works is fenced off."""
    try:
        for record in rescue.interrupt_run(pipeline.database, pipeline.key, pipeline.holder):
            pipeline.moved(record)
    except PipelineError as error:
        logger.warning("windows could not be put back, their leases run out: %s", error)


def still_at_work() -> bool:
    """Whether a slot's thread of this process lives; the interpreter cannot end in order beside it."""
    return any(thread.name.startswith(NAME) for thread in threading.enumerate())

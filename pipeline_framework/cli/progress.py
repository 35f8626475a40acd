"""Shows work while it goes on: bars on a terminal, a line a window elsewhere."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline_framework.cli.options import Format
from pipeline_framework.cli.output import complain, console
from pipeline_framework.signals import Moved, PhaseStarted, Retrying, Signal, listening

if TYPE_CHECKING:
    from pipeline_framework.operations.run import Outcome


def watched(outcomes: "Iterable[Outcome]", expected: int, form: Format) -> "Iterator[Outcome]":
    """The same outcomes, each told as it comes; `expected` windows fill the bar.

    Lines go to standard output, and to standard error when that is kept for JSON or CSV; failures always
    go to standard error.
    """
    screen = console(stderr=form is not Format.TABLE)
    with bars(screen) as progress, listening(Listener(progress)):
        windows = progress.add_task("windows", total=expected, rows="")
        for outcome in outcomes:
            progress.advance(windows)
            screen.print(line(outcome), markup=False, soft_wrap=True) if outcome.done else complain(
                line(outcome)
            )
            yield outcome


def bars(screen: Console) -> Progress:
    """A bar of windows and what the current one is doing; silent where there is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rows]}"),
        console=screen,
        disable=not screen.is_terminal,
        transient=True,
    )


def line(outcome: "Outcome") -> str:
    """What became of a window."""
    record = outcome.record
    word = record.audit_result if outcome.done else record.pipeline_status.lower()
    return f"{record.window}  {word}  {outcome.explanation}"


class Listener:
    """Turns signals into what the bar says beside it."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.phase, self.rows = progress, "", 0

    def __call__(self, signal: Signal) -> None:
        """Hear one signal."""
        match signal:
            case PhaseStarted(phase=phase):
                self.phase, self.rows = phase.lower(), 0
            case Moved(rows=rows):
                self.rows += rows
            case Retrying(error=error, wait=wait):
                complain(f"{error} Trying again in {wait:.1f} s.")
        self.progress.update(TaskID(0), rows=f"{self.phase} {self.rows:,} rows" if self.rows else self.phase)

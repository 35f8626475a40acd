"""Shows work while it goes on: bars on a terminal, a line a window elsewhere."""

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from pipeline_framework.cli.options import Format
from pipeline_framework.cli.output import complain, console
from pipeline_framework.signals import Moved, PhaseStarted, Retrying, Signal, listening

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from pipeline_framework.operations.outcome import Outcome


def watched(outcomes: "Generator[Outcome]", expected: int, form: Format) -> "Generator[Outcome]":
    """The same outcomes, each told as it comes; `expected` windows fill the bar.

    Lines go to standard output, and to standard error when that is kept for JSON or CSV; failures always
    go to standard error.
    """
    screen = console(stderr=form is not Format.TABLE)
    with closing(outcomes), bars(screen) as progress:
        windows, listener = progress.add_task("windows", total=expected, rows=""), Listener(progress)
        with listening(listener):
            for outcome in outcomes:
                progress.advance(windows)
                listener.over(outcome.record.id)
                screen.print(line(outcome), markup=False, soft_wrap=True) if outcome.done else complain(
                    line(outcome)
                )
                yield outcome


def bars(screen: "Console") -> "Progress":
    """A bar of windows and one for each that is at work; silent where there is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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
    """Turns signals into a bar for each window at work, below the one that counts windows."""

    def __init__(self, progress: "Progress") -> None:
        self.progress = progress
        self.tasks: dict[int, TaskID] = {}  # by record; a window is at work in one thread alone

    def __call__(self, signal: Signal) -> None:
        """Hear one signal."""
        match signal:
            case PhaseStarted(record_id=number, phase=phase, expected=rows):
                self.over(number)
                what = f"window {number} {phase.lower()}"
                self.tasks[number] = self.progress.add_task(what, total=rows, rows="rows")
            case Moved(record_id=number, rows=rows) if number in self.tasks:
                self.progress.advance(self.tasks[number], rows)
            case Retrying(error=error, wait=wait):
                complain(f"{error} Trying again in {wait:.1f} s.")

    def over(self, number: int) -> None:
        """The window, or its phase, is done."""
        task = self.tasks.pop(number, None)
        if task is not None:
            self.progress.remove_task(task)

"""Shows work while it goes on: bars on a terminal, a line every 30 s elsewhere; a line a window in both."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pipeline_framework.cli.options import Format
from pipeline_framework.cli.output import complain, console
from pipeline_framework.signals import Signal, listening
from pipeline_framework.telemetry.lines import Tell, lines, warn_of
from pipeline_framework.telemetry.work import AtWork

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from pipeline_framework.operations.outcome import Outcome

Over = Callable[[int], None]  # a window, by its id


def watched(outcomes: "Generator[Outcome]", expected: int, form: Format) -> "Generator[Outcome]":
    """The same outcomes, each told as it comes; `expected` windows fill the bar.

    Lines go to standard output, and to standard error when that is kept for JSON or CSV; failures always
    go to standard error.
    """
    screen = console(stderr=form is not Format.TABLE)
    shown = on_terminal(screen, expected) if screen.is_terminal else in_lines()
    with closing(outcomes), shown as (over, fail):
        for outcome in outcomes:
            over(outcome.record.id)
            say_on(screen, line(outcome)) if outcome.done else fail(line(outcome))
            yield outcome


@contextmanager
def in_lines() -> Iterator[tuple[Over, Tell]]:
    """A line on each window at work, on standard error, every 30 seconds."""
    with lines(complain, complain) as at_work:
        yield at_work.over, complain


@contextmanager
def on_terminal(screen: "Console", expected: int) -> Iterator[tuple[Over, Tell]]:
    """A bar of windows, and one below it for each that is at work."""
    # What a terminal shows is told above the bars, not into them.
    tell = partial(say_on, screen) if sys.stderr.isatty() else complain
    with bars(screen) as progress:
        windows = progress.add_task("windows", total=expected, told=f"0 of {expected:,}")
        listener = Listener(progress, tell)

        def over(number: int) -> None:
            listener.over(number)
            progress.advance(windows)
            progress.update(windows, told=f"{progress.tasks[0].completed:,.0f} of {expected:,}")

        with listening(listener):
            yield over, tell


def say_on(screen: "Console", message: str) -> None:
    """One line."""
    screen.print(message, markup=False, soft_wrap=True)


def bars(screen: "Console") -> "Progress":
    """Name, bar, part done, rows and rate, time left; of 80 columns."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    name, told = TextColumn("{task.description}"), TextColumn("{task.fields[told]}")
    left = TimeRemainingColumn(compact=True)
    return Progress(name, BarColumn(14), TaskProgressColumn(), told, left, console=screen, transient=True)


def line(outcome: "Outcome") -> str:
    """What became of a window."""
    record = outcome.record
    word = record.audit_result if outcome.done else record.pipeline_status.lower()
    return f"{record.window}  {word}  {outcome.explanation}"


class Listener:
    """Turns signals into a bar for each window at work, below the one that counts windows."""

    def __init__(self, progress: "Progress", tell: Tell) -> None:
        self.progress, self.tell = progress, tell
        self.at_work = AtWork()
        self.tasks: dict[int, TaskID] = {}  # by record

    def __call__(self, signal: Signal) -> None:
        """Hear one signal."""
        self.at_work(signal)
        warn_of(signal, self.tell)
        work, number = self.at_work.works.get(signal.record_id), signal.record_id
        if work is None:
            self.over(number)
            return
        if number not in self.tasks:
            self.tasks[number] = self.progress.add_task("", total=None, told="")
        name, told = f"{number} {work.phase.lower()}", work.short(self.at_work.clock())
        self.progress.update(
            self.tasks[number], description=name, total=work.expected, completed=work.rows, told=told
        )

    def over(self, number: int) -> None:
        """The window, or its phase, is done."""
        self.at_work.over(number)
        task = self.tasks.pop(number, None)
        if task is not None:
            self.progress.remove_task(task)

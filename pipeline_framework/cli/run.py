"""Commands that move windows: run, task, backfill."""

from collections.abc import Callable, Generator
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_framework.cli import output
from pipeline_framework.cli.options import (
    ConfigOption,
    Format,
    FormatOption,
    NowOption,
    ReasonOption,
    clock,
    opened,
    person,
)
from pipeline_framework.cli.progress import watched
from pipeline_framework.cli.questions import WINDOW

if TYPE_CHECKING:
    from pipeline_framework.generation import Choice
    from pipeline_framework.operations.line import Budget
    from pipeline_framework.operations.outcome import Outcome
    from pipeline_framework.pipeline import Pipeline

FromRequired = Annotated[str, typer.Option("--from", metavar="ISO", help="First instant of the range.")]
ToRequired = Annotated[str, typer.Option("--to", metavar="ISO", help="End of the range, not included.")]
ParallelOption = Annotated[
    int,
    typer.Option("--parallel", min=1, max=64, help="So many windows at a time, each in a slot of its own."),
]


def run(
    config: ConfigOption = None,
    now: NowOption = None,
    once: Annotated[bool, typer.Option("--once", help="One window, whatever windows_per_run says.")] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="Every ready window, oldest first.")
    ] = False,
    window: Annotated[str | None, typer.Option("--window", help="One window: its id or its start.")] = None,
    parallel: ParallelOption = 1,
    form: FormatOption = Format.TABLE,
) -> None:
    """Generate, lock, move, audit: as many windows as windows_per_run says, or all that are ready.

    Exit code 1 when a window failed, 3 when none was ready. With --parallel each slot takes as many.
    Example: pipeline run --until-caught-up --parallel 2
    """
    from pipeline_framework.operations.run import prepare, run_once, run_side_by_side

    refuse_contradictions(once, until_caught_up, window, parallel)
    with opened(config) as pipeline:
        time = clock(pipeline, now)
        if once or window:
            one = (run_once(pipeline, time, choice_of(pipeline, window)) for _ in range(1))
            finish(watched(one, 1, form), form)
            return
        budget = budget_for(pipeline, parallel, until_caught_up=until_caught_up)
        ready = prepare(pipeline, time, parallel)
        expected = ready if budget.windows is None else min(ready, budget.windows)
        finish(watched(run_side_by_side(pipeline, time, parallel, budget), expected, form), form)


def backfill(
    first: FromRequired,
    last: ToRequired,
    config: ConfigOption = None,
    now: NowOption = None,
    parallel: ParallelOption = 1,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Newest window first.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Load finished windows again as well.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the windows, run none.")] = False,
    reason: ReasonOption = "backfilled by hand",
    form: FormatOption = Format.TABLE,
) -> None:
    """Run every unfinished window of a range that no other run takes meanwhile; interrupted, it goes on.

    Finished windows are left alone, unless --force reopens them first: leave it out to go on with a reload.
    Example: pipeline backfill --from 2013-03-08 --to 2013-03-13 --parallel 2
    """
    from pipeline_framework.errors import Misuse
    from pipeline_framework.generation import Choice
    from pipeline_framework.operations import backfill as operation

    if not reason.strip():
        raise Misuse("--reason is empty; say why, it is kept with the windows.")
    with opened(config) as pipeline:
        start, end = pipeline.config.instant(first, "--from"), pipeline.config.instant(last, "--to")
        choice = Choice(first=start, last=end, newest_first=newest_first)
        time, wish = clock(pipeline, now), operation.Wish(choice, parallel, person(), reason)
        if dry_run:
            would = operation.would_run_again if force else operation.would_run
            rows, columns = would(pipeline, time, wish), ["id", "target_day", *WINDOW, "pipeline_status"]
            output.print_rows(rows, form, columns, "would run, finished ones again" if force else "would run")
            return
        register = operation.registered_again if force else operation.registered
        with register(pipeline, time, wish) as work:
            outcomes = watched(operation.run_backfill(pipeline, work), work.windows, form)
            finish(outcomes, form, lambda: operation.left_behind(pipeline, work))


def task(
    name: Annotated[str, typer.Argument(help="One of the seven tasks of the DAG.")],
    config: ConfigOption = None,
    now: NowOption = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="The run that holds the window between tasks; else yours.")
    ] = None,
) -> None:
    """Run one task alone, as the DAG would; the window stays locked under --run-id for the next task.

    Example: pipeline task store_and_validate --run-id mine
    """
    from pipeline_framework.errors import Misuse
    from pipeline_framework.operations.task import TASKS, run_task

    if name not in TASKS:
        raise Misuse(f"{name} is no task; take one of {', '.join(TASKS)}.")
    with opened(config, run_id or f"by_hand_{person()}") as pipeline:
        output.say(run_task(pipeline, name, clock(pipeline, now)))


def start_of(pipeline: "Pipeline", window: str) -> datetime:
    """The start of the window of that id, or the start itself, which need not be a window's yet."""
    from pipeline_framework.reports.history import window as find

    if window.isdecimal():
        return find(pipeline, window).window_start_time
    return pipeline.config.instant(window, "--window")


def choice_of(pipeline: "Pipeline", window: str | None) -> "Choice":
    """The window that `--window` names, or the oldest."""
    from pipeline_framework.generation import Choice

    return Choice(start_of(pipeline, window) if window else None)


def budget_for(pipeline: "Pipeline", slots: int, *, until_caught_up: bool) -> "Budget":
    """How much a run takes: all, or for each slot what the configuration says."""
    from pipeline_framework.operations.line import EVERYTHING, Budget
    from pipeline_framework.operations.run import budget_of

    budget = EVERYTHING if until_caught_up else budget_of(pipeline)
    return Budget(budget.windows and budget.windows * slots, budget.seconds)


def refuse_contradictions(once: bool, until_caught_up: bool, window: str | None, parallel: int) -> None:
    """Raise `Misuse` for options that say different things."""
    from pipeline_framework.errors import Misuse

    if until_caught_up and (once or window):
        raise Misuse("--until-caught-up runs every ready window; leave out --once and --window.")
    if parallel > 1 and (once or window):
        raise Misuse("--parallel runs several windows at a time; leave out --once and --window.")


def finish(
    outcomes: "Generator[Outcome]", form: Format, left_behind: "Callable[[], list[str]]" = list
) -> None:
    """Print what the outcomes came to and what was left behind, and leave with the exit code that says it."""
    done, failed, rows = 0, 0, []
    try:
        with closing(outcomes):  # an interruption while a result is told puts windows back as well
            for outcome in outcomes:
                done, failed = done + outcome.done, failed + (not outcome.done)
                if form is not Format.TABLE:
                    rows.append(outcome.as_json())
    finally:
        if form is not Format.TABLE:
            output.print_rows(rows, form, WINDOW)
    for sentence in left_behind():
        output.complain(sentence)
    output.complain(f"{output.counted(done + failed)}: {done:,} done, {failed:,} failed")
    if failed:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Put these commands into the command line."""
    for command in (run, backfill, task):
        app.command(rich_help_panel="Run")(command)

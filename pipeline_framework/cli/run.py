"""Commands that move windows: run, task, backfill."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_framework.cli import output
from pipeline_framework.cli.options import (
    ConfigOption,
    Format,
    FormatOption,
    NowOption,
    clock,
    opened,
    person,
)
from pipeline_framework.cli.progress import watched
from pipeline_framework.cli.questions import WINDOW

if TYPE_CHECKING:
    from pipeline_framework.operations.run import Outcome
    from pipeline_framework.pipeline import Pipeline

FromRequired = Annotated[str, typer.Option("--from", metavar="ISO", help="First instant of the range.")]
ToRequired = Annotated[str, typer.Option("--to", metavar="ISO", help="End of the range, not included.")]


def run(
    config: ConfigOption = None,
    now: NowOption = None,
    once: Annotated[bool, typer.Option("--once", help="One window (the default).")] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="Every ready window, oldest first.")
    ] = False,
    window: Annotated[str | None, typer.Option("--window", help="One window: its id or its start.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Generate, lock, move, audit: one window, or all that are ready.

    Exit code 1 when a window failed, 3 when none was ready. Example: pipeline run --until-caught-up
    """
    from pipeline_framework.errors import Misuse
    from pipeline_framework.generation import Choice
    from pipeline_framework.operations.run import prepare, run_once, run_until_caught_up

    if until_caught_up and (once or window):
        raise Misuse("--until-caught-up runs every ready window; leave out --once and --window.")
    with opened(config) as pipeline:
        time = clock(pipeline, now)
        if until_caught_up:
            ready = prepare(pipeline, time)
            finish(watched(run_until_caught_up(pipeline, time), ready, form), form)
        else:
            choice = Choice(start_of(pipeline, window) if window else None)
            finish(watched((run_once(pipeline, time, choice) for _ in range(1)), 1, form), form)


def backfill(
    first: FromRequired,
    last: ToRequired,
    config: ConfigOption = None,
    now: NowOption = None,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Newest window first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the windows, run none.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run every unfinished window of a range; interrupted, it goes on where it was.

    Finished windows are left alone: `pipeline reopen` makes them run again.
    Example: pipeline backfill --from 2013-03-08 --to 2013-03-13
    """
    from pipeline_framework.generation import Choice
    from pipeline_framework.operations.backfill import prepare, run_backfill
    from pipeline_framework.reports.plan import plan

    with opened(config) as pipeline:
        start, end = pipeline.config.instant(first, "--from"), pipeline.config.instant(last, "--to")
        time, choice = clock(pipeline, now), Choice(first=start, last=end, newest_first=newest_first)
        if dry_run:
            output.print_rows(plan(pipeline, time, choice), form, ["id", "target_day", *WINDOW], "would run")
            return
        work = prepare(pipeline, time, choice)
        finish(watched(run_backfill(pipeline, time, work), work.unfinished, form), form)


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


def finish(outcomes: "Iterable[Outcome]", form: Format) -> None:
    """Print what the outcomes came to, and leave with the exit code that says it."""
    done, failed, rows = 0, 0, []
    try:
        for outcome in outcomes:
            done, failed = done + outcome.done, failed + (not outcome.done)
            if form is not Format.TABLE:
                rows.append(outcome.as_json())
    finally:
        if form is not Format.TABLE:
            output.print_rows(rows, form, WINDOW)
    output.complain(f"{output.counted(done + failed)}: {done:,} done, {failed:,} failed")
    if failed:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Put these commands into the command line."""
    for command in (run, backfill, task):
        app.command(rich_help_panel="Run")(command)

"""Commands by which a person decides: reopen, retry, skip, quarantine, audit, locks clear."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_framework.cli import output
from pipeline_framework.cli.options import (
    ConfigOption,
    Format,
    FormatOption,
    FromOption,
    ReasonOption,
    ToOption,
    opened,
    person,
    require_reason,
    span,
)
from pipeline_framework.cli.questions import PROGRESS, WINDOW, WindowArgument, locks_list

if TYPE_CHECKING:
    from pipeline_framework.control_table import Record
    from pipeline_framework.operations.repair import Decision
    from pipeline_framework.pipeline import Pipeline

locks = typer.Typer(help="Who holds what; clear what is stale.", invoke_without_command=True)
OneWindow = Annotated[str | None, typer.Option("--window", help="One window: its id or its start.")]


def reopen(
    window: OneWindow = None,
    first: FromOption = None,
    last: ToOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also windows that wait to run: they start over, from the source.")
    ] = False,
    reason: ReasonOption = "reopened by hand",
    config: ConfigOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Let finished windows run again; the target keeps its rows until the new ones replace them.

    Example: pipeline reopen --from 2013-03-10 --to 2013-03-11 --reason "source was repaired"
    """
    from pipeline_framework.operations import repair

    move = repair.force_reopen if force else repair.reopen
    with opened(config) as pipeline:
        moved = move(pipeline, some(pipeline, window, first, last, reason))
        report(moved, form, "reopened: only COMPLETED and FAILED ones are, with --force PENDING ones too")


def retry(
    window: OneWindow = None,
    first: FromOption = None,
    last: ToOption = None,
    reason: ReasonOption = "tried again by hand",
    config: ConfigOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Give quarantined windows new attempts and end the wait of those that failed before; all unless told.

    A circuit that holds the pipeline back is closed as well. Example: pipeline retry --window 17
    """
    from pipeline_framework.operations import gates, repair

    with opened(config) as pipeline:
        moved = repair.retry(pipeline, decision(pipeline, window, first, last, reason))
        closed = gates.close_circuit(pipeline)
    if closed:
        output.complain("the circuit is closed: windows are started again")
    if moved or not closed:
        report(moved, form, "to be tried again: only FAILED ones are, and those that wait after a failure")


def skip(
    window: OneWindow = None,
    first: FromOption = None,
    last: ToOption = None,
    reason: ReasonOption = "skipped by hand",
    config: ConfigOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Do without windows that wait or are quarantined: they count as done, the target keeps what it has.

    Example: pipeline skip --window 17 --reason "the source lost that day"
    """
    from pipeline_framework.operations import repair

    with opened(config) as pipeline:
        moved = repair.skip(pipeline, some(pipeline, window, first, last, reason))
        report(moved, form, "skipped: only PENDING and FAILED ones are")


def quarantine(
    window: OneWindow = None,
    first: FromOption = None,
    last: ToOption = None,
    reason: ReasonOption = "put in quarantine by hand",
    config: ConfigOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Take windows that wait out of line, until `pipeline retry`, `reopen` or `skip`; others go on.

    Example: pipeline quarantine --from 2013-03-10 --to 2013-03-11 --reason "wrong prices"
    """
    from pipeline_framework.operations import repair

    with opened(config) as pipeline:
        moved = repair.quarantine(pipeline, some(pipeline, window, first, last, reason))
        report(moved, form, "put in quarantine: only PENDING ones are")


def regrid(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the windows, drop none.")] = False,
    reason: ReasonOption = "regridded by hand",
    config: ConfigOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Drop the windows at the end that no run has touched, so that a changed grid cuts that time anew.

    Windows that were ever claimed stay as they are. Example: pipeline regrid --dry-run
    """
    from pipeline_framework.control_table.record import COLUMNS
    from pipeline_framework.errors import Misuse
    from pipeline_framework.operations import regrid as operation

    if not reason.strip():
        raise Misuse("--reason is empty; say why, it is kept in the trace.")
    with opened(config) as pipeline:
        if dry_run:
            rows = operation.would_drop(pipeline)
            output.print_rows(rows, form, ["id", "target_day", *WINDOW], "would be dropped", COLUMNS)
            return
        dropped = operation.regrid(pipeline, actor=person(), reason=reason)
        grid = pipeline.config.window_grid.text()
        output.say(f"{output.counted(dropped)} dropped; the next run cuts that time by {grid}")


def audit(window: WindowArgument, config: ConfigOption = None, form: FormatOption = Format.TABLE) -> None:
    """Count source and target of a window now and say whether and where rows are missing.

    Exit code 1 when they differ. Example: pipeline audit 17
    """
    from pipeline_framework.operations.repair import audit_again
    from pipeline_framework.reports.history import window as find

    with opened(config) as pipeline:
        verdict = audit_again(pipeline, find(pipeline, window))
    output.print_object({"sound": verdict.sound, **verdict.detail()}, form)
    if not verdict.sound:
        raise typer.Exit(1)


@locks.callback()
def locks_callback(context: typer.Context, config: ConfigOption = None) -> None:
    """Who holds what; clear what is stale."""
    context.obj = config
    if context.invoked_subcommand is None:
        locks_list(context)


@locks.command("clear")
def locks_clear(
    context: typer.Context,
    stale: Annotated[bool, typer.Option("--stale", help="Every lock whose lease ran out.")] = False,
    number: Annotated[int | None, typer.Option("--id", max=2**63 - 1, help="The lock of one window.")] = None,
    force: Annotated[bool, typer.Option("--force", help="With --id: even a lock that still lives.")] = False,
    reason: ReasonOption = "cleared by hand",
    config: ConfigOption = None,
) -> None:
    """Put windows back whose run is gone; the run, should it live, is fenced off.

    Example: pipeline locks clear --stale
    """
    from pipeline_framework.errors import Misuse, NothingToDo
    from pipeline_framework.operations import locks as operation

    if stale == (number is not None) or (stale and force):
        raise Misuse("say either --stale or --id N (and --force); `pipeline locks list` shows the locks.")
    with opened(config or context.obj) as pipeline:
        if number is None:
            ranges, cleared = operation.clear_stale(pipeline)
        else:
            ranges, cleared = (
                [],
                [operation.clear(pipeline, number, actor=person(), reason=reason, only_stale=not force)],
            )
    if not cleared and not ranges:
        raise NothingToDo("no lock is stale.")
    for each in ranges:
        output.say(f"range {each.span} (id {each.id}) of {each.owner} is let go: its windows are for any run")
    for record in cleared:
        output.say(f"window {record.window} (id {record.id}) is {record.pipeline_status} again")


def some(
    pipeline: "Pipeline", window: str | None, first: str | None, last: str | None, reason: str
) -> "Decision":
    """The same as `decision`, where all windows is too many to mean by saying nothing."""
    from pipeline_framework.errors import Misuse

    if window is None and first is None and last is None:
        raise Misuse("say which windows: --window, or --from and --to; `pipeline windows` lists them.")
    return decision(pipeline, window, first, last, reason)


def decision(
    pipeline: "Pipeline", window: str | None, first: str | None, last: str | None, reason: str
) -> "Decision":
    """What the options of a repair mean."""
    from pipeline_framework.errors import Misuse
    from pipeline_framework.operations.repair import Decision
    from pipeline_framework.reports.history import window as find

    require_reason(reason)
    if window is not None and (first or last):
        raise Misuse("say either --window, or --from and --to; `pipeline windows` lists them.")
    if window is not None:
        chosen = find(pipeline, window).window
        return Decision(chosen.start, chosen.end, person(), reason)
    return Decision(*span(pipeline, first, last), person(), reason)


def report(records: "list[Record]", form: Format, what: str) -> None:
    """Print the windows that moved, or leave with exit code 3."""
    from pipeline_framework.errors import NothingToDo

    if not records:
        raise NothingToDo(f"no window was {what}.")
    rows = [record.columns() for record in records]
    title = f"{output.counted(len(rows))} {what.partition(':')[0]}"
    output.print_rows(rows, form, ["id", *WINDOW, *PROGRESS], title)


def add_to(app: typer.Typer) -> None:
    """Put these commands into the command line."""
    for command in (reopen, retry, skip, quarantine, regrid, audit):
        app.command(rich_help_panel="Repair")(command)
    locks.command("list")(locks_list)
    app.add_typer(locks, name="locks", rich_help_panel="Repair")

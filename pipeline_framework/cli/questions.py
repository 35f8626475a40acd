"""Commands that only read: plan, windows, show, gaps, locks list."""

from collections.abc import Mapping
from itertools import count, islice
from typing import Annotated, Any

import typer

from pipeline_framework.cli import output
from pipeline_framework.cli.options import (
    ConfigOption,
    Format,
    FormatOption,
    FromOption,
    NowOption,
    ToOption,
    clock,
    opened,
    span,
)

WINDOW = ["window_start_time", "window_end_time", "time_interval"]
PROGRESS = [
    "pipeline_status",
    "phase_completed",
    "audit_result",
    "source_count",
    "target_count",
    "retry_attempt",
]
MOVE = ["happened_at", "move_name", "from_status", "to_status", "lock_epoch", "actor", "reason"]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", min=0, help="At most so many, 0 for all; a table shows 100 unless told."),
]
TABLE_LIMIT = 100  # windows
WindowArgument = Annotated[str, typer.Argument(help="Its id, or its start, as `pipeline windows` prints it.")]


def plan(
    config: ConfigOption = None,
    now: NowOption = None,
    first: FromOption = None,
    last: ToOption = None,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the windows that would be added or run, without doing it.

    Example: pipeline plan --now 2013-03-12
    """
    from pipeline_framework.control_table.record import COLUMNS
    from pipeline_framework.generation import Choice
    from pipeline_framework.reports.plan import plan as planned

    with opened(config) as pipeline:
        start, end = span(pipeline, first, last)
        rows = planned(pipeline, clock(pipeline, now), Choice(first=start, last=end))
        most, tally = shown_at_most(limit, form), count()
        shown = (row for row, _ in zip(islice(rows, most), tally, strict=False))
        title = f"{pipeline.config.pipeline_id}: windows that would run"
        output.print_rows(shown, form, ["id", "target_day", *WINDOW], title, COLUMNS)
        if form is Format.TABLE:
            output.say(cut_note(next(tally), sum(1 for _ in rows)))


def windows(
    config: ConfigOption = None,
    first: FromOption = None,
    last: ToOption = None,
    state: Annotated[str, typer.Option("--status", help="PENDING, IN_PROGRESS, COMPLETED or FAILED.")] = "",
    result: Annotated[str, typer.Option(help="loaded, empty, already_present, skipped or mismatch.")] = "",
    bad: Annotated[bool, typer.Option("--bad", help="Only those of which rows were put aside.")] = False,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """List windows, oldest first.

    Example: pipeline windows --status FAILED --from 2013-03-10 --to 2013-03-11
    """
    from pipeline_framework.control_table.record import COLUMNS
    from pipeline_framework.control_table.states import Result, Status
    from pipeline_framework.reports import history

    one_of("--status", state, list(Status))
    one_of("--result", result, list(Result))
    with opened(config) as pipeline:
        wanted = history.Filter(*span(pipeline, first, last), state, result, bad)
        most = shown_at_most(limit, form)
        found = (record.columns() for record in history.windows(pipeline, wanted, most))
        told = map(with_bad_rows, found) if form is Format.TABLE else found
        output.print_rows(told, form, ["id", *WINDOW, *PROGRESS, "bad_rows"], most_note(most), COLUMNS)


def with_bad_rows(columns: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the number of those put aside, which JSON and CSV have in audit_detail."""
    return {**columns, "bad_rows": (columns["audit_detail"] or {}).get("bad") or None}


def cut_note(shown: int, more: int) -> str:
    """How many windows would run, and how many of them a table left out."""
    note = f", the first {shown} of them above; --limit 0 shows all" if more else ""
    return f"{output.counted(shown + more)} would run{note}"


def shown_at_most(limit: int | None, form: Format) -> int | None:
    """How many windows are printed; None for all."""
    if limit is None:
        return TABLE_LIMIT if form is Format.TABLE else None
    return limit or None


def most_note(most: int | None) -> str:
    """What a table says that may have been cut."""
    return f"at most {output.counted(most)}, oldest first; --limit 0 shows all" if most else ""


def one_of(option: str, text: str, known: list[str]) -> None:
    """Refuse a word that no window carries."""
    from pipeline_framework.errors import Misuse

    if text and text not in known:
        raise Misuse(f"{option} {text} is not known; take one of {', '.join(known)}.")


def show(window: WindowArgument, config: ConfigOption = None, form: FormatOption = Format.TABLE) -> None:
    """Everything about one window: its row and every move it made.

    Example: pipeline show 17
    """
    from pipeline_framework.reports import history

    with opened(config) as pipeline:
        record = history.window(pipeline, window)
        moves = history.life(pipeline, record)
        if form is not Format.TABLE:
            output.print_object({**record.columns(), "events": moves}, form)
            return
        known = {name: value for name, value in record.columns().items() if value not in (None, "")}
        output.print_object(known, form)
        output.print_rows(moves, form, MOVE, "Moves")


def gaps(config: ConfigOption = None, form: FormatOption = Format.TABLE) -> None:
    """Prove coverage: holes that no window covers, overlaps, windows without data.

    Example: pipeline gaps --format json
    """
    from dataclasses import asdict

    from pipeline_framework.reports.gaps import gaps as found
    from pipeline_framework.reports.gaps import looked_at

    with opened(config) as pipeline:
        rows = [asdict(gap) for gap in found(pipeline)]
        proved = looked_at(pipeline)
        shown = ["kind", "window_start_time", "window_end_time", "note"]
        title = f"{pipeline.config.pipeline_id} {proved or '(no window yet)'}: {len(rows):,} findings"
        output.print_rows(rows, form, shown, title)


# Keys of a lock or a range, so that each row of a CSV has all of them.
LOCK = (
    "kind",
    "id",
    "window_start_time",
    "window_end_time",
    "dag_id",
    "dag_run_id",
    "run_slot",
    "lock_owner",
    "lock_epoch",
    "pipeline_locked_at",
    "lease_expires_at",
    "phase_completed",
    "actor",
    "reason",
    "stale",
)


def locks_list(
    context: typer.Context, config: ConfigOption = None, form: FormatOption = Format.TABLE
) -> None:
    """Who holds which window, and until when; and which range a backfill has set aside.

    Example: pipeline locks list
    """
    from pipeline_framework.reports.locks import locks, ranges

    with opened(config or context.obj) as pipeline:
        held = [each.as_json() for each in locks(pipeline)] + [each.as_json() for each in ranges(pipeline)]
        rows = [dict.fromkeys(LOCK) | each for each in held]
        shown = ["kind", "id", "window_start_time", "lock_owner", "dag_run_id", "lease_expires_at", "stale"]
        output.print_rows(
            [dict.fromkeys(LOCK) | row for row in rows],
            form,
            shown,
            "Locks" if rows else "No window is locked",
        )


def add_to(app: typer.Typer) -> None:
    """Put these commands into the command line."""
    for command in (plan, windows, show, gaps):
        app.command(rich_help_panel="Look")(command)

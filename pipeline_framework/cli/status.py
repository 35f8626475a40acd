"""The command `status`: the fields of the report as they are, and in words for people."""

from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from pipeline_framework.cli import output
from pipeline_framework.cli.options import ConfigOption, Format, FormatOption, NowOption, clock, opened

if TYPE_CHECKING:
    from pipeline_framework.reports.status import PipelineStatus, PutAside


def status(config: ConfigOption = None, now: NowOption = None, form: FormatOption = Format.TABLE) -> None:
    """How the pipeline stands: until when it is complete, how far behind, what waits, rows put aside.

    Example: pipeline status --format json
    """
    from pipeline_framework.reports.status import status as stands

    with opened(config) as pipeline:
        standing = stands(pipeline, clock(pipeline, now))
    if form is Format.TABLE:
        output.print_values(in_words(standing))
    else:
        output.print_object(standing.as_json(), form)


def in_words(standing: "PipelineStatus") -> dict[str, object]:
    """The same fields, without those that say nothing."""
    fields = standing.as_json() | {
        "lag_seconds": f"{standing.lag_seconds:,.0f} ({timedelta(seconds=round(standing.lag_seconds))})",
        "bad_rows": put_aside(standing.bad_rows),
        "gates": standing.gates.explanation or "open",
    }
    return {name: value for name, value in fields.items() if value not in ("", {})}


def put_aside(bad: "PutAside") -> str:
    """How many rows were put aside, and where to read them."""
    if bad.newest is None:
        return "0"
    newest, since = output.cell(bad.newest), output.cell(bad.since)
    return (
        f"{bad.rows:,} put aside in {output.counted(bad.windows)} since {since}; `pipeline show {newest}` "
        "says where those of the newest lie, `pipeline windows --bad` lists all"
    )


def add_to(app: typer.Typer) -> None:
    """Put this command into the command line."""
    app.command(rich_help_panel="Look")(status)

"""Prints rows and objects as a table, JSON or CSV, and lines for people on standard error."""

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline_framework.cli.options import Format

Row = Mapping[str, Any]
PAGE = 1000  # rows of one table
WIDE = 200  # columns where there is no terminal
LABELS = {  # short, so that a table of windows fits a terminal
    "window_start_time": "start",
    "window_end_time": "end",
    "time_interval": "length",
    "pipeline_status": "status",
    "phase_completed": "phase",
    "audit_result": "result",
    "source_count": "source",
    "target_count": "target",
    "bad_rows": "bad",
    "retry_attempt": "attempts",
}
WORDS = {"reason", "note", "actor", "lock_owner", "dag_run_id"}  # columns that may wrap
LEAST = (  # columns that a narrow terminal does without, the first of them first
    "lock_epoch",
    "from_status",
    "phase_completed",
    "window_end_time",
    "retry_attempt",
    "time_interval",
    "target_day",
    "dag_run_id",
    "actor",
)
COLORS = {
    "COMPLETED": "green",
    "IN_PROGRESS": "yellow",
    "FAILED": "red",
    "mismatch": "red",
    "hole": "red",
    "overlap": "red",
}


def console(*, stderr: bool = False) -> Console:
    """A console; what a pipe or file gets is as wide as a table of windows needs."""
    known = os.environ.get("COLUMNS") or (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, emoji=False, width=None if known else WIDE)


def complain(message: str) -> None:
    """One line on standard error."""
    console(stderr=True).print(message, markup=False, soft_wrap=True)


def say(message: str) -> None:
    """One line on standard output."""
    console().print(message, markup=False, soft_wrap=True)


def counted(windows: int) -> str:
    """`1 window`, `59 windows`."""
    return f"{windows:,} window{'s' * (windows != 1)}"


def plain(value: Any) -> Any:
    """A value as JSON knows it; times as ISO-8601 UTC with Z."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)


def print_json(value: Any) -> None:
    """An object or a list, indented."""
    json.dump(value, sys.stdout, default=plain, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def print_rows(
    rows: Iterable[Row], form: Format, shown: Sequence[str], title: str = "", every: Sequence[str] = ()
) -> None:
    """Rows by name: all their keys as JSON or CSV, those of `shown` as a table.

    `every` names the keys for a CSV that has no rows. JSON and CSV are written row by row.
    """
    if form is Format.JSON:
        print_json_rows(rows)
    elif form is Format.CSV:
        print_csv(rows, every or shown)
    else:
        print_table(rows, shown, title)


def print_json_rows(rows: Iterable[Row]) -> None:
    """A list of objects."""
    separator = "[\n"
    for row in rows:
        sys.stdout.write(separator + json.dumps(dict(row), default=plain, indent=2, ensure_ascii=False))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def print_csv(rows: Iterable[Row], names: Sequence[str]) -> None:
    """A header and the rows, as RFC 4180 says."""
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row))
            writer.writeheader()
        writer.writerow({name: csv_cell(value) for name, value in row.items()})
    if writer is None:
        csv.DictWriter(sys.stdout, names).writeheader()


def csv_cell(value: Any) -> Any:
    """A value as CSV carries it: numbers as they are, objects and lists as JSON."""
    if isinstance(value, dict | list):
        return json.dumps(value, default=plain)
    return value if value is None or isinstance(value, int | float | str) else plain(value)


def print_table(rows: Iterable[Row], shown: Sequence[str], title: str) -> None:
    """A table for people, in pages however many rows come; the title alone where there are none.

    Where the first page is too wide, all are without the columns that say least.
    """
    rest = iter(rows)
    page = list(islice(rest, PAGE))
    if not page:
        say(title or "no window")
        return
    names = fitting(page, shown)
    while page:
        console().print(laid_out(page, names, title))
        page, title = list(islice(rest, PAGE)), ""
    if len(names) < len(shown):
        say("a wider terminal, --format json and csv show every column")


def fitting(rows: Sequence[Row], shown: Sequence[str]) -> Sequence[str]:
    """The columns for which the terminal is wide enough."""
    screen, names = console(), shown
    boundless = screen.options.update(max_width=10_000)
    for name in LEAST:
        if screen.measure(laid_out(rows, names, ""), options=boundless).minimum <= screen.width:
            break
        names = [each for each in names if each != name]
    return names


def laid_out(rows: Sequence[Row], names: Sequence[str], title: str) -> Table:
    """A table of these columns, in which only words wrap."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in names:
        wraps = name in WORDS
        table.add_column(
            LABELS.get(name, name.replace("_", " ")), overflow="fold", no_wrap=not wraps, min_width=12 * wraps
        )
    for row in rows:
        table.add_row(*(colored(cell(row.get(name))) for name in names))
    return table


def print_object(thing: Row, form: Format) -> None:
    """One object: JSON, CSV of one row, or name and value line by line."""
    if form is Format.TABLE:
        print_values(thing)
    else:
        print_rows([thing], form, ()) if form is Format.CSV else print_json(dict(thing))


def print_values(thing: Row) -> None:
    """Name and value, line by line."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in thing.items():
        table.add_row(name, colored(cell(value)))
    console().print(table)


def cell(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z").replace(":00Z", "Z")
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell(part)}" for name, part in value.items() if part is not None)
    return str(value)


def colored(text: str) -> Text:
    """The text in the color of its word, if it has one; never read as markup."""
    return Text(text, style=COLORS.get(text, ""))

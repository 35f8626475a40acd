"""Prints rows and objects as a table, JSON or CSV, and lines for people on standard error."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline_framework.cli.options import Format

Row = Mapping[str, Any]
LABELS = {  # short, so that a table of windows fits a terminal
    "window_start_time": "start",
    "window_end_time": "end",
    "time_interval": "length",
    "pipeline_status": "status",
    "phase_completed": "phase",
    "audit_result": "result",
    "source_count": "source",
    "target_count": "target",
    "retry_attempt": "attempts",
}
COLORS = {
    "COMPLETED": "green",
    "IN_PROGRESS": "yellow",
    "FAILED": "red",
    "mismatch": "red",
    "hole": "red",
    "overlap": "red",
}


def complain(message: str) -> None:
    """One line on standard error."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(message, markup=False)


def say(message: str) -> None:
    """One line on standard output."""
    Console(soft_wrap=True, highlight=False).print(message, markup=False)


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


def print_rows(rows: Iterable[Row], form: Format, shown: Sequence[str], title: str = "") -> None:
    """Rows by name: all their keys as JSON or CSV, those of `shown` as a table."""
    if form is Format.JSON:
        print_json([dict(row) for row in rows])
    elif form is Format.CSV:
        print_csv([dict(row) for row in rows])
    else:
        print_table(rows, shown, title)


def print_csv(rows: Sequence[Row]) -> None:
    """A header and the rows, as RFC 4180 says."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)


def csv_cell(value: Any) -> Any:
    """A value as CSV carries it: numbers as they are, objects as JSON."""
    if isinstance(value, dict):
        return json.dumps(value, default=plain)
    return value if value is None or isinstance(value, int | float | str) else plain(value)


def print_table(rows: Iterable[Row], shown: Sequence[str], title: str) -> None:
    """A table for people; the title alone where there are no rows."""
    rows = list(rows)
    if not rows:
        say(title)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in shown:
        table.add_column(LABELS.get(name, name.replace("_", " ")), overflow="fold")
    for row in rows:
        table.add_row(*(colored(cell(row.get(name))) for name in shown))
    Console().print(table)


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
    Console().print(table)


def cell(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z").replace(":00Z", "Z")
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell(part)}" for name, part in value.items() if part is not None)
    return str(value)


def colored(text: str) -> str:
    """The text in the color of its word, if it has one."""
    return f"[{COLORS[text]}]{text}[/]" if text in COLORS else text.replace("[", r"\[")

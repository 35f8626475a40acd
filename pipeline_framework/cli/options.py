"""The options that several commands share, and how their texts become values."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline_framework.config import FinalConfig
    from pipeline_framework.pipeline import Pipeline


class Format(StrEnum):
    """How a reading command prints."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="Pipeline file; else $PIPELINE_CONFIG, else pipeline.yml."
    ),
]
NowOption = Annotated[
    str | None,
    typer.Option(
        "--now", metavar="ISO", help="Clock that decides which windows are ready (never that of leases)."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print.")]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="ISO", help="First instant; local time of the pipeline if no offset."),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="ISO", help="End of the range, not included; a date means its midnight."),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the events with who.")]


def loaded(config: str | None) -> "FinalConfig":
    """The configuration that `--config` names."""
    from pipeline_framework.config import load_final_config

    return load_final_config(config)


@contextmanager
def opened(config: str | None, run_id: str | None = None) -> Iterator["Pipeline"]:
    """The pipeline that `--config` names, held by this process, or by the run of that name."""
    from pipeline_framework import pipeline

    final = loaded(config)
    holder = pipeline.by_hand(final, run_id) if run_id else pipeline.this_process(final)
    with pipeline.opened(final, holder) as opening:
        yield opening


def clock(pipeline: "Pipeline", now: str | None) -> datetime:
    """`--now`, or the control database's clock."""
    return pipeline.config.instant(now, "--now") if now else pipeline.database.now().astimezone(UTC)


def span(pipeline: "Pipeline", first: str | None, last: str | None) -> tuple[datetime, datetime]:
    """`--from` and `--to` in UTC, as wide as can be where one is missing."""
    from pipeline_framework.errors import Misuse
    from pipeline_framework.reports.history import EARLIEST, LATEST

    start = pipeline.config.instant(first, "--from") if first else EARLIEST
    end = pipeline.config.instant(last, "--to") if last else LATEST
    if end <= start:
        raise Misuse("--to must be later than --from; a date means its midnight, so a day ends at the next.")
    return start, end


def require_reason(reason: str) -> None:
    """Refuse an empty reason: it helps nobody later."""
    from pipeline_framework.errors import Misuse

    if not reason.strip():
        raise Misuse("--reason is empty; say why, it is kept and shown.")


def person() -> str:
    """Who decides, as the operating system names them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not be in its passwd file
        return f"uid {os.getuid()}"

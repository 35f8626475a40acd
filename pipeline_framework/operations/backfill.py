"""Run a chosen range of past windows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_framework.errors import Misuse
from pipeline_framework.generation import Choice, generate
from pipeline_framework.operations.run import Outcome, run_until_caught_up
from pipeline_framework.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Backfill:
    """The whole windows that cover the wanted range: `choice` names their edges, UTC."""

    choice: Choice
    windows: int
    unfinished: int


def prepare(pipeline: Pipeline, now: datetime, choice: Choice) -> Backfill:
    """Add the windows of the range and widen it to their edges.

    Raises `Misuse` when the range begins before the pipeline's `start`, or holds no ready window.
    """
    pipeline.transfer  # noqa: B018 - a wrong key of a connector is found before a window is locked
    require_range(pipeline, choice)
    generate(pipeline, now, choice)
    edges = pipeline.database.run(
        "edges_touching", **pipeline.key.parameters, first=choice.first, last=choice.last
    )[0]
    if not edges["windows"]:
        raise Misuse(nothing_there(pipeline, choice))
    wide = replace(choice, first=edges["first"], last=edges["last"])
    return Backfill(wide, edges["windows"], edges["unfinished"])


def run_backfill(pipeline: Pipeline, now: datetime, backfill: Backfill) -> Iterator[Outcome]:
    """Run every unfinished window of the range, a result for each; locks no other window."""
    return run_until_caught_up(pipeline, now, backfill.choice)


def require_range(pipeline: Pipeline, choice: Choice) -> None:
    """Windows before `start` are not this pipeline's, and time runs forward."""
    if choice.first and choice.last and choice.last <= choice.first:
        raise Misuse("--to must be later than --from; a date means its midnight, so a day ends at the next.")
    if choice.first and choice.first < pipeline.config.start:
        raise Misuse(
            f"--from {choice.first:%Y-%m-%dT%H:%M:%SZ} is before the pipeline's start; "
            f"set an earlier start in {pipeline.config.file} first."
        )


def nothing_there(pipeline: Pipeline, choice: Choice) -> str:
    """Why a range holds no window."""
    last: datetime | None = choice.last
    return (
        f"no ready window of {pipeline.config.pipeline_id} touches {choice.first:%Y-%m-%dT%H:%M:%SZ} to "
        f"{last:%Y-%m-%dT%H:%M:%SZ}; `pipeline status` says until when windows are ready."
    )

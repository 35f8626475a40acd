"""The line of the page's table that each play is for, and what its scenario needs."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.airflow_provider.plays import (
    NO_TIME,
    Play,
    broken_after,
    broken_before,
    cleared,
    control_down,
    first_task,
    future,
    held,
    killed,
    marked,
    plain,
    present,
    stage_elsewhere,
    stage_lost,
    starved,
    timed_out,
    trouble,
    uncountable,
)
from tests.airflow_provider.scenario import START


@dataclass(frozen=True)
class Part:
    """A play and what its scenario needs: arguments of `make`, further lines of its DAG file."""

    play: Play
    scenario: dict[str, Any] = field(default_factory=dict)
    dag_lines: str = ""


def waiting(task: str) -> str:
    """Settings that let `task` wait for a pool that the play opens."""
    return f"airflow: {{tasks: {{{task}: {{pool: '{{name}}'}}}}}}\n"


PARTS = {
    "dagrun_timeout in mid-phase": Part(
        timed_out, {"more": "lease_seconds: 5\nairflow: {dagrun_timeout: 120s}\n"}
    ),
    "success": Part(plain),
    "nothing pending": Part(plain, {"start": datetime(2100, 1, 1, tzinfo=UTC)}),
    "future data": Part(future),
    "lock held by another run": Part(held),
    "counts match": Part(present),
    "zero rows": Part(plain, {"start": START - timedelta(days=1)}),
    "transfer fails once, then works": Part(trouble("unavailable_once"), {"retries": 1}),
    "transfer fails at every try": Part(trouble("unavailable"), {"retries": 1}),
    "stage lost between two tasks": Part(stage_lost, {"more": waiting("stage_to_target")}),
    "stage on another host": Part(stage_elsewhere, {"more": waiting("stage_to_target")}),
    "audit cannot count": Part(uncountable),
    "audit mismatch": Part(trouble("leak")),
    "first task fails": Part(first_task, dag_lines=NO_TIME),
    "configuration broken before the run": Part(broken_before),
    "configuration broken in mid-run, then mended": Part(broken_after),
    "control database down": Part(control_down, {"control": {"conn_id": "{name}"}}),
    "worker killed in mid-phase": Part(killed),
    "worker killed, the task tried again": Part(killed, {"retries": 1}),
    "task cleared": Part(cleared("source_to_stage")),
    "audit cleared": Part(cleared("audit")),
    "run cleared": Part(cleared(None)),
    "pool starved past the parked lease": Part(
        starved, {"more": f"{waiting('source_to_stage')}\nstale_threshold_hours: 0.002\n"}
    ),
    "run marked failed by hand": Part(marked),
}

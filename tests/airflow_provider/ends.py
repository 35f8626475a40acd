"""How a run ended, in the words of the table "Every way a run can end" of docs/states.md."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Record, events
from pipeline_framework.pipeline import opened
from tests.airflow_provider.real_airflow import Run
from tests.airflow_provider.scenario import Scenario

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
HEADING = "## Every way a run can end"
SYMBOLS = {"success": "✓", "skipped": "○", "failed": "✗", "upstream_failed": "↑"}
CLEANUP = {"✓": "ran", "○": "did not run", "✗": "failed", "": "did not run"}


@dataclass(frozen=True)
class End:
    """A line of the table: one text for each column behind the first."""

    run: str
    tasks: str
    row: str
    attempts: str
    cleanup: str
    next_run: str


def expected() -> dict[str, End]:
    """The table, by its first column."""
    return {how: End(*cells) for how, *cells in list(lines())[2:]}


def lines() -> Iterator[list[str]]:
    """The cells of each line of the page's table."""
    section = PAGE.read_text().split(HEADING, 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@dataclass(frozen=True)
class Before:
    """What can be seen when a run has ended and the next one has not begun."""

    run: str
    tasks: str
    row: str
    cleanup: str
    readings: int
    loads: int


def seen(scenario: Scenario, run: Run | None) -> Before:
    """What that run came to; None when Airflow would not start it."""
    tasks = " ".join(SYMBOLS.get(state, state) for state in run.tasks().values()) if run else ""
    return Before(
        run.ended() if run else "none",
        tasks,
        described(first(scenario)),
        CLEANUP[tasks[-1:]] + (", let go" if run and let_go(scenario, run) else ""),
        scenario.readings(),
        scenario.loads(),
    )


def ended(scenario: Scenario, before: Before, following: Run) -> End:
    """The whole line, once the next run has ended too."""
    following.ended()
    return End(
        before.run,
        before.tasks,
        before.row,
        str(attempts(scenario)),
        before.cleanup,
        taken(scenario, before, following),
    )


def first(scenario: Scenario) -> Record | None:
    """The oldest window."""
    return next(iter(scenario.records()), None)


def attempts(scenario: Scenario) -> int:
    """How many the oldest window has counted."""
    record = first(scenario)
    return record.retry_attempt if record else 0


def described(record: Record | None) -> str:
    """State, result and marker of a window."""
    if record is None:
        return "none"
    marker = f"{record.phase_completed} done" if record.phase_completed else ""
    told = record.audit_result or marker
    return f"{record.pipeline_status}, {told}" if told else str(record.pipeline_status)


def let_go(scenario: Scenario, run: Run) -> bool:
    """Whether the run's cleanup had to take a lock of that run away."""
    with opened(load_final_config(scenario.file)) as pipeline:
        moves = [
            move for record in scenario.records() for move in events.history(pipeline.database, record.id)
        ]
    return any(move["move_name"] == "release_run" and move["dag_run_id"] == run.run_id for move in moves)


def taken(scenario: Scenario, before: Before, following: Run) -> str:
    """Which window the next run took, and the phase at which it began."""
    records = scenario.records()
    mine = [number for number, record in enumerate(records) if record.dag_run_id == following.run_id]
    if not mine:
        return "nothing"
    if mine != [0]:
        return "the next window"
    if before.row == "none":
        return "the first window"
    return f"the same window, from {began(scenario, before)}"


def began(scenario: Scenario, before: Before) -> str:
    """The first phase that did something since."""
    if scenario.readings() > before.readings:
        return "source_to_stage"
    return "stage_to_target" if scenario.loads() > before.loads else "audit"

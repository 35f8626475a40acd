"""What a test waits for while a run is at work: loads, the end of a process, the end of a lease."""

import os
import signal
from datetime import UTC, datetime, timedelta

import psutil

from pipeline_framework.control_table import Record
from tests.airflow_provider.real_airflow import until
from tests.airflow_provider.scenario import Scenario


def in_progress(scenario: Scenario) -> list[Record]:
    """Windows that a run holds."""
    return [record for record in scenario.records() if record.pipeline_status == "IN_PROGRESS"]


def loading(scenario: Scenario, windows: int = 1) -> list[tuple[Record, int]]:
    """The held windows with the processes that load them, once there are so many."""

    def seen() -> list[tuple[Record, int]]:
        held = [(record, scenario.loader(record.id)) for record in in_progress(scenario)]
        found = [(record, process) for record, process in held if process]
        return found if len(found) == windows else []

    found: list[tuple[Record, int]] = until(seen, f"{windows} loads of {scenario.name}")
    return found


def killed_while_loading(scenario: Scenario) -> Record:
    """The window whose task process was ended by SIGKILL in stage_to_target."""
    ((record, process),) = loading(scenario)
    scenario.get_out_of("hang")
    os.kill(process, signal.SIGKILL)
    return record


def gone(process: int) -> None:
    """Return when the process has ended."""
    until(lambda: not psutil.pid_exists(process), f"the end of process {process}")


def lapsed(scenario: Scenario) -> bool:
    """Whether the lease of the oldest window has run out."""
    expires = scenario.records()[0].lease_expires_at
    return expires is None or expires + timedelta(seconds=1) < datetime.now(UTC)

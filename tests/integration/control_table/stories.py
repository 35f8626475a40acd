"""Windows, runs and short stories that the control table's tests begin with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_framework.control_table import (
    Database,
    Holder,
    PipelineKey,
    Record,
    claims,
    new_windows,
    progress,
)
from pipeline_framework.control_table.new_windows import NewWindow
from pipeline_framework.control_table.states import Phase
from pipeline_framework.interfaces import Lock
from pipeline_framework.windows import FixedGrid, Granularity, GridHistory, Window

FIRST = datetime(2013, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = FIRST + timedelta(days=365)
HOURLY = GridHistory(((None, FixedGrid(Granularity.parse("1h"))),))
LEASE = 90.0


def hour(number: int) -> Window:
    """The window that begins `number` hours after the first."""
    return Window(FIRST + number * HOUR, FIRST + (number + 1) * HOUR)


def new(window: Window, **columns: Any) -> NewWindow:
    return NewWindow(window=window, target_day=window.start.date(), time_interval=window.interval, **columns)


def add_hours(database: Database, key: PipelineKey, count: int, **columns: Any) -> int:
    """Add the first `count` hourly windows; how many were not there yet."""
    return new_windows.add(database, key, HOURLY, [new(hour(number), **columns) for number in range(count)])


def run(name: str = "run", slot: int = 0, dag: str = "dag") -> Holder:
    return Holder(dag, name, slot, f"host:{name}:{slot}", 7200)


def claim(database: Database, key: PipelineKey, name: str = "run", *, lease: float = LEASE) -> Record:
    """The oldest window, claimed; there has to be one."""
    record = claims.claim_oldest(database, key, run(name), watermark=LATER, lease_seconds=lease)
    assert record is not None
    return record


def read(database: Database, record_id: int) -> Record:
    """The row as it is now."""
    return Record.of(database.run("record_by_id", id=record_id)[0])


def blank(record: Record, *names: str) -> bool:
    """Whether none of those columns says anything."""
    return all(getattr(record, name) is None for name in names)


def staged(database: Database, lock: Lock) -> Record:
    """SOURCE_TO_STAGE done by the owner."""
    progress.begin(database, lock, Phase.SOURCE_TO_STAGE, lease_seconds=LEASE)
    facts = {"stage_epoch": lock.epoch, "manifest_address": "m", "manifest_digest": "d", "source_count": 5}
    return progress.finish(database, lock, Phase.SOURCE_TO_STAGE, park_seconds=7200, **facts)


def loaded(database: Database, lock: Lock) -> Record:
    """STAGE_TO_TARGET done as well."""
    staged(database, lock)
    progress.begin(database, lock, Phase.STAGE_TO_TARGET, lease_seconds=LEASE)
    return progress.finish(database, lock, Phase.STAGE_TO_TARGET, park_seconds=7200)

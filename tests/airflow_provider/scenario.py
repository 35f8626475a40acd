"""A small pipeline on real files, in a folder of its own, and what it left behind."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet

from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Record
from pipeline_framework.pipeline import opened
from pipeline_framework.reports.history import windows

START = datetime(2013, 1, 1, tzinfo=UTC)
HOURS = 3
CONFIG = """
pipeline_id: {name}
granularity: 1h
start: {start}
end: {end}
max_attempts: 3
max_retry_task: {retries}
backoff_seconds: 0
retry_seconds: 0
control: {control}
source: {{type: "trouble:TroubledFiles", path: "data/*.parquet", time_field: at, trouble: trouble}}
stage: {{type: local, path: stage}}
target: {{type: "trouble:TroubledTable", path: target.duckdb, table: rows, time_field: at, trouble: trouble}}
"""


def hour(number: int) -> datetime:
    """Start of the window with that number, UTC."""
    return START + timedelta(hours=number)


def rows_of(number: int) -> int:
    """How many rows the source has in that window: another number for each."""
    return 10 + number


@dataclass(frozen=True)
class Scenario:
    """A pipeline named `name` in `folder`."""

    folder: Path

    @property
    def name(self) -> str:
        """Of pipeline and folder."""
        return self.folder.name

    @property
    def dag_id(self) -> str:
        """As build_dag names it."""
        return f"data_pipeline_{self.name}"

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "pipeline.yml"

    def get_into(self, trouble: str) -> None:
        """From now on the connectors have that trouble."""
        (self.folder / "trouble" / trouble).touch()

    def get_out_of(self, trouble: str) -> None:
        """No longer."""
        (self.folder / "trouble" / trouble).unlink()

    def readings(self) -> int:
        """How often a window was read from the source."""
        return self._noted("readings")

    def loads(self) -> int:
        """How often a window's load into the target was begun."""
        return self._noted("loads")

    def _noted(self, what: str) -> int:
        notes = self.folder / "trouble" / what
        return len(notes.read_text().splitlines()) if notes.exists() else 0

    def loader(self, record_id: int) -> int | None:
        """The process that began to load that window."""
        note = self.folder / "trouble" / f"loading.{record_id}"
        return int(note.read_text() or 0) or None if note.exists() else None

    def records(self) -> list[Record]:
        """Every window of the control table, oldest first."""
        with opened(load_final_config(self.file)) as pipeline:
            return list(windows(pipeline))

    def target(self) -> dict[int, int]:
        """Rows of the target by window number; a row that is there twice counts once more than its number."""
        if not (self.folder / "target.duckdb").exists():
            return {}
        with duckdb.connect(self.folder / "target.duckdb", read_only=True) as connection:
            found = connection.execute("SELECT hour, count(*) FROM rows GROUP BY hour").fetchall()
            return dict(found)

    def load_by_other_hands(self, number: int) -> None:
        """Put a window's rows into the target as some other program would."""
        with duckdb.connect(self.folder / "target.duckdb") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                f"CREATE TABLE rows AS SELECT * FROM '{self.folder}/data/rows.parquet' WHERE hour = {number}"
            )


def make(
    folder: Path, *, retries: int = 0, start: datetime = START, control: Any = None, more: str = ""
) -> Scenario:
    """Write the pipeline: three hours of rows, its configuration, and the connectors that fail on demand.

    `more`: further lines of the configuration; `{name}` in it and in `control` stands for the scenario's.
    """
    for part in ("data", "trouble"):
        (folder / part).mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("trouble.py"), folder)
    pyarrow.parquet.write_table(table(), folder / "data" / "rows.parquet")
    (folder / "pipeline.yml").write_text(
        CONFIG.format(
            name=folder.name,
            retries=retries,
            start=start.isoformat(),
            end=(start + timedelta(hours=HOURS)).isoformat(),
            control=json.dumps(control or {"url": "sqlite:///control.db"}).replace("{name}", folder.name),
        )
        + more.replace("{name}", folder.name)
    )
    return Scenario(folder)


def table() -> pa.Table:
    """The rows of the source: `n` tells them apart, `hour` is the number of their window."""
    rows = [(number, place) for number in range(HOURS) for place in range(rows_of(number))]
    return pa.table(
        {
            "n": pa.array(range(len(rows)), pa.int64()),
            "hour": pa.array([number for number, _ in rows], pa.int64()),
            "at": pa.array(
                [hour(number) + timedelta(minutes=place) for number, place in rows],
                pa.timestamp("us", tz="UTC"),
            ),
        }
    )

"""A pipeline on real files and the command line that drives it."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_framework.cli.app import main

CONFIG = """\
pipeline_id: flights
timezone: America/New_York
granularity: 2h
x_time_back: 1d
start: 2013-03-09          # local time of `timezone` when no offset is given
end: 2013-03-12            # optional: no window past it
stale_threshold_hours: 2
lease_seconds: 90           # while a phase works; renewed
max_attempts: 3
retry_seconds: 0
backoff_seconds: 0
control: {url: "sqlite:///control.db"}      # or postgresql://…, or {conn_id: …}
source: {type: files, path: "data/*.parquet", time_field: time_hour}
stage: {type: local, path: stage}
target: {type: duckdb, path: warehouse.duckdb, table: flights, time_field: time_hour}
"""
FIRST = datetime(2013, 3, 9, 5, tzinfo=UTC)  # local midnight
HOURS = 71  # three days, one of them of 23 hours
WINDOWS = 12 + 11 + 12  # 2:00 does not exist on the second day: one window lasts 3 h
PIPELINE = Path(sys.executable).parent / "pipeline"


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Flights:
    """A folder with a pipeline file and its data: one row every 10 minutes."""

    folder: Path

    def __call__(self, *words: str, **environment: str) -> Answer:
        """Run `pipeline WORDS` there."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["pipeline", *words])
            for name, value in {"COLUMNS": "200", **environment}.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                main()
        return Answer(int(left.value.code or 0), out.getvalue(), err.getvalue())

    def change(self, old: str, new: str) -> None:
        """Edit the pipeline file."""
        text = (self.folder / "pipeline.yml").read_text()
        assert old in text
        (self.folder / "pipeline.yml").write_text(text.replace(old, new))

    def target(self, query: str = "SELECT n FROM flights ORDER BY n") -> list[Any]:
        """The first column of a query on the warehouse."""
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            return [row[0] for row in connection.execute(query).fetchall()]

    def rows(self) -> list[int]:
        """The numbers that the source holds."""
        table = pa.concat_tables(pq.read_table(path) for path in (self.folder / "data").glob("*.parquet"))
        return sorted(table["n"].to_pylist())


# Root may read and write everywhere, unless it gave up CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) for
# what it runs: PR_CAPBSET_DROP is 24.
BOUND_BY_PERMISSIONS = """
import ctypes, os, sys
os.geteuid() or [ctypes.CDLL(None).prctl(24, right, 0, 0, 0) for right in (1, 2)]
os.execv(sys.argv[1], sys.argv[1:])
"""


class Bound(Flights):
    """The same, run so that permissions count, also where root gives them."""

    def __call__(self, *words: str, **environment: str) -> Answer:
        command = [sys.executable, "-c", BOUND_BY_PERMISSIONS, str(PIPELINE), *words]
        wide = {**os.environ, "COLUMNS": "200", **environment}
        done = subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True, env=wide)
        return Answer(done.returncode, done.stdout, done.stderr)


def write_day(path: Path, first: datetime, hours: int, number: int) -> None:
    """A Parquet file of `hours` hours from `first`, six rows an hour, numbered from `number`."""
    times = [first + timedelta(minutes=10 * step) for step in range(hours * 6)]
    table = pa.table(
        {"time_hour": pa.array(times, pa.timestamp("us", "UTC")), "n": range(number, number + len(times))}
    )
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)


@pytest.fixture
def flights(tmp_path: Path) -> Flights:
    """Three days around the change to daylight saving time."""
    (tmp_path / "pipeline.yml").write_text(CONFIG)
    for day in range(3):
        start = FIRST + timedelta(hours=24 * day)
        hours = min(24, HOURS - 24 * day)
        write_day(tmp_path / "data" / f"{day}.parquet", start, hours, 1000 * day)
    return Flights(tmp_path)

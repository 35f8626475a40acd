"""A database that goes away and comes back, one that is yesterday's copy, and clients whose clocks differ."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from implementations.duckdb import DuckDBTarget
from pipeline_framework.control_table import Database, PipelineKey, events, progress, rescue
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.errors import Fenced, LockLost
from pipeline_framework.testing.staged import staged_in
from tests.integration.control_table.stories import FIRST, add_hours, claim, hour, loaded, read
from tests.services import postgres
from tests.services.processes import stop
from tests.services.required import absent

KEY = PipelineKey("p")
ROOT = Path(__file__).parents[3]


@contextmanager
def copied(url: str) -> Iterator[str]:
    """A copy of the database as it is at this moment; nobody may be connected to it."""
    if url.startswith("sqlite"):
        old = url.removeprefix("sqlite:///")
        shutil.copy(old, f"{old}.copy")
        yield f"sqlite:///{old}.copy"
        return
    server, _, name = url.rpartition("/")
    postgres.execute(f"{server}/postgres", f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    try:
        yield f"{server}/{name}_copy"
    finally:
        postgres.execute(f"{server}/postgres", f"DROP DATABASE {name}_copy WITH (FORCE)")


def test_restored_copy_fences_off_all_that_came_after_it(fresh_url: str, tmp_path: Path) -> None:
    """The epoch does not go back with it: whoever worked since is refused, in the table and at the target."""
    target = DuckDBTarget(str(tmp_path / "w.duckdb"), "flights", "at")
    staged = staged_in(tmp_path / "stage", pa.table({"at": pa.array([FIRST], pa.timestamp("us", "UTC"))}))
    with Database(fresh_url) as database:
        migrate(database)
        add_hours(database, KEY, 1)
        first = claim(database, KEY, "of yesterday")
        progress.release(database, first.lock(), "enough")
    with copied(fresh_url) as copy:
        with Database(fresh_url) as database:
            for _ in range(3):
                progress.release(database, claim(database, KEY, "of today").lock(), "enough")
            lost = claim(database, KEY, "of today")
            loaded(database, lost.lock())
            target.load(lost.lock(), staged)
        with Database(copy) as restored:
            again = claim(restored, KEY, "after the restore")
            assert again.lock_epoch > lost.lock_epoch > first.lock_epoch
            with pytest.raises(LockLost):
                progress.complete(restored, lost.lock(), Result.LOADED)
            assert target.load(again.lock(), staged).epoch == again.lock_epoch
            with pytest.raises(Fenced):
                target.load(lost.lock(), staged)
            assert target.count(hour(0)) == 1


def work_through(url: str, windows: int) -> None:
    """One run after the other takes a window to its end, slowly, and waits for the database if it must."""
    with Database(url, patience=60) as database:
        for number in range(windows):
            lock = claim(database, KEY, f"run {number}").lock()
            for phase in (Phase.SOURCE_TO_STAGE, Phase.STAGE_TO_TARGET):
                progress.begin(database, lock, phase, lease_seconds=60)
                time.sleep(0.02)
                epoch = {"stage_epoch": lock.epoch} if phase is Phase.SOURCE_TO_STAGE else {}
                progress.finish(database, lock, phase, park_seconds=60, **epoch)
            progress.complete(database, lock, Result.LOADED)


@pytest.fixture
def own_server() -> Iterator[tuple[str, Callable[[float], None]]]:
    """A server of this test's own, and what lets it crash and come back after some seconds."""
    programs = next(iter([*filter(None, [postgres.wheel_programs()]), *postgres.system_programs()]), None)
    if programs is None:
        absent("postgresql", ["neither wheel nor system has programs to stop and start"])
    folder = Path(tempfile.mkdtemp(prefix="pipeline-pg-"))
    port, process = postgres.start(programs, folder)
    serving = [process]

    def crash(seconds: float) -> None:
        stop(serving.pop())
        time.sleep(seconds)
        serving.append(postgres.serve(postgres.runnable(programs, folder, {}), folder, port))

    try:
        yield (
            f"postgresql://postgres:{postgres.PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/postgres",
            crash,
        )
    finally:
        for each in serving:
            stop(each)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.services
def test_server_that_crashes_in_the_middle_of_a_run_costs_no_attempt(
    own_server: tuple[str, Callable[[float], None]],
) -> None:
    """The run waits until it is back and goes on where it was: each window is done once."""
    url, crash = own_server
    postgres.execute(url, "ALTER DATABASE postgres SET synchronous_commit = on")  # as in earnest
    with Database(url) as database:
        migrate(database)
        add_hours(database, KEY, 12)
    worker = threading.Thread(target=work_through, args=(url, 12))
    worker.start()
    for seconds in (0.0, 0.7):
        time.sleep(0.4)
        crash(seconds)
    worker.join(60)
    with Database(url) as database:
        rows = [read(database, number) for number in range(1, 13)]
        assert {(row.pipeline_status, row.retry_attempt) for row in rows} == {(Status.COMPLETED, 0)}
        stories = [events.history(database, row.id) for row in rows]
    for story in stories:
        moves = [event["move_name"] for event in story]
        assert moves.count("claim_oldest") == moves.count("complete") == 1


SKEWED = """
import json, sys
from datetime import UTC, datetime
from pipeline_framework.control_table import Database, PipelineKey, progress, rescue
from pipeline_framework.control_table.states import Phase
from tests.integration.control_table.stories import claim

with Database(sys.argv[1]) as database:
    key = PipelineKey(sys.argv[2])
    rescued = len(rescue.rescue(database, key, backoff_seconds=0))
    failed = progress.fail(database, claim(database, key, "to fail").lock(), "no luck", backoff_seconds=600)
    record = claim(database, key, "to work", lease=60)
    progress.begin(database, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=60)
    now = database.now().isoformat()
print(json.dumps([datetime.now(UTC).isoformat(), now, rescued, failed.id, record.id]))
"""


def skewed(days: int) -> dict[str, str]:
    """The environment of a process whose clock is off by that many days."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        absent("faketime", ["libfaketime is not there (Debian: apt-get install faketime)"])
    return {**os.environ, "LD_PRELOAD": str(found[0]), "FAKETIME": f"{days:+d}d", "PYTHONPATH": str(ROOT)}


@pytest.mark.services
@pytest.mark.parametrize("days", [-1, 1])
def test_clock_of_a_client_that_is_a_day_off_changes_nothing(
    postgres_control_url: str, key: PipelineKey, days: int
) -> None:
    """Leases, waits, epochs and what is taken for stale go by the database's clock; so does `now`."""
    with Database(postgres_control_url) as control:
        add_hours(control, key, 4)
        living = claim(control, key, "living")
        command = [sys.executable, "-c", SKEWED, postgres_control_url, key.pipeline_id]
        told = subprocess.run(
            command, env=skewed(days), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
        assert told.returncode == 0, told.stderr
        its_clock, its_now, rescued, failed, working = json.loads(told.stdout)
        now = control.now()
        assert abs((datetime.fromisoformat(its_clock) - now).total_seconds()) > 80_000
        assert abs((datetime.fromisoformat(its_now) - now).total_seconds()) < 60
        assert rescued == 0
        assert read(control, living.id) == living
        wait, lease = read(control, failed).not_before, read(control, working).lease_expires_at
        assert wait is not None
        assert lease is not None
        assert 200 < wait.timestamp() - now.timestamp() <= 600
        assert 0 < lease.timestamp() - now.timestamp() <= 60
        assert abs(read(control, working).lock_epoch / 1000 - now.timestamp()) < 60
        assert rescue.rescue(control, key, backoff_seconds=0) == []

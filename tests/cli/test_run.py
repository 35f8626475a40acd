"""Commands that move windows, as a person types them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PIPELINE, WINDOWS, Flights


def test_run_moves_the_oldest_window(flights: Flights) -> None:
    """One window, audited; the target holds exactly its rows."""
    answer = flights("run", "--format", "json")
    assert answer.code == 0, answer.err
    assert [(row["pipeline_status"], row["audit_result"], row["target_count"]) for row in answer.json] == [
        ("COMPLETED", "loaded", 12)
    ]
    assert flights.target() == list(range(12))


def test_run_until_caught_up_moves_every_row_once(flights: Flights) -> None:
    """Every window has a result, and the target equals the source, row by row."""
    answer = flights("run", "--until-caught-up", "--format", "json")
    assert answer.code == 0, answer.err
    assert len(answer.json) == WINDOWS
    assert {row["audit_result"] for row in answer.json} == {"loaded"}
    assert flights.target() == flights.rows()


def test_nothing_left_is_exit_code_3(flights: Flights) -> None:
    """A second run says that nothing is ready."""
    assert flights("run", "--until-caught-up").code == 0
    again = flights("run")
    assert again.code == 3
    assert "no window is ready" in again.err
    assert flights("run", "--until-caught-up").code == 3


def test_the_watermark_follows_now(flights: Flights) -> None:
    """`--now` less the stability lag of one calendar day decides what is ready."""
    answer = flights("plan", "--now", "2013-03-10T04:00", "--format", "json")
    assert [row["window_start_time"] for row in answer.json] == [
        "2013-03-09T05:00:00Z",
        "2013-03-09T07:00:00Z",
    ]


def test_run_takes_a_chosen_window(flights: Flights) -> None:
    """`--window` runs that one, whatever its place in line."""
    answer = flights("run", "--window", "2013-03-10T00:00", "--format", "json")
    assert [row["window_start_time"] for row in answer.json] == ["2013-03-10T05:00:00Z"]


def test_a_chosen_window_in_the_future_is_nothing_to_do(flights: Flights) -> None:
    """Its data may still change."""
    answer = flights("run", "--window", "2013-03-11", "--now", "2013-03-11T12:00")
    assert (answer.code, "ready until" in answer.err) == (3, True)


def test_backfill_runs_the_range_and_no_other_window(flights: Flights) -> None:
    """The windows that touch the range; a second backfill of it finds nothing to do."""
    words = ("backfill", "--from", "2013-03-10", "--to", "2013-03-11")
    assert len(flights(*words, "--dry-run", "--format", "json").json) == 11
    assert not (flights.folder / "warehouse.duckdb").exists()
    answer = flights(*words, "--format", "json")
    assert (answer.code, len(answer.json)) == (0, 11)
    assert flights("status", "--format", "json").json["counts"]["COMPLETED"] == 11
    assert flights(*words).code == 3


def test_backfill_widens_to_whole_windows(flights: Flights) -> None:
    """A range that begins and ends inside windows runs both of them."""
    answer = flights("backfill", "--from", "2013-03-09T01:00", "--to", "2013-03-09T02:01", "--format", "json")
    assert [row["window_start_time"] for row in answer.json] == [
        "2013-03-09T05:00:00Z",
        "2013-03-09T07:00:00Z",
    ]


def test_newest_first(flights: Flights) -> None:
    """The youngest window of the range comes first."""
    words = ("--from", "2013-03-09", "--to", "2013-03-09T06:00", "--newest-first", "--format", "json")
    starts = [row["window_start_time"] for row in flights("backfill", *words).json]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) == 3


def test_a_window_that_is_there_already_is_not_moved(flights: Flights) -> None:
    """Equal counts without a ledger row of ours: already_present, and the stage stays empty."""
    flights("run")
    flights.target("DELETE FROM pipeline_loads")
    (flights.folder / "control.db").unlink()
    answer = flights("run", "--format", "json")
    assert answer.json[0]["audit_result"] == "already_present"


def test_a_window_without_rows_is_empty(flights: Flights) -> None:
    """Nothing in source and target is told apart from loaded."""
    flights.change("start: 2013-03-09 ", "start: 2013-03-08T22:00 ")
    assert flights("run", "--format", "json").json[0]["audit_result"] == "empty"


def test_a_failed_window_does_not_stop_the_others(flights: Flights) -> None:
    """Exit code 1, one sentence for the window that failed, and a row with its error."""
    day = flights.folder / "data" / "1.parquet"
    good = day.read_bytes()
    assert flights("run", "--until-caught-up", "--now", "2013-03-11").code == 0
    day.write_bytes(good[: len(good) // 2])
    answer = flights("run")
    assert answer.code == 1
    assert "1.parquet" in answer.err
    day.write_bytes(good)
    assert flights("run", "--until-caught-up").code == 0
    assert flights.target() == flights.rows()


PICKY = """\
from dataclasses import dataclass

from implementations.files import FilesSource
from pipeline_framework.errors import BadData


@dataclass(frozen=True)
class Picky(FilesSource):
    def read(self, window):
        if window.start.hour == 7:
            raise BadData("no rows at seven o'clock.")
        return super().read(window)
"""


def test_others_go_on_at_once_when_one_window_fails(flights: Flights) -> None:
    """Each window runs once, the failed ones wait, and the explanation is theirs alone."""
    (flights.folder / "picky.py").write_text(PICKY)
    flights.change("type: files", "type: picky:Picky")
    answer = flights("run", "--until-caught-up", "--format", "json")
    assert (answer.code, len(answer.json)) == (1, WINDOWS)
    failed = [row for row in answer.json if not row["done"]]
    assert [row["pipeline_status"] for row in failed] == ["PENDING"]
    assert {row["explanation"] for row in failed} == {"no rows at seven o'clock."}


def test_tasks_one_by_one_are_the_dag(flights: Flights) -> None:
    """The seven tasks in order complete a window; each is its own process with the run's lock."""
    for name in (
        "load_final_config",
        "store_and_validate",
        "pre_validation",
        "source_to_stage",
        "stage_to_target",
        "audit",
        "cleanup_stale_locks",
    ):
        answer = flights("task", name, "--run-id", "mine")
        assert answer.code == 0, f"{name}: {answer.err}"
    assert flights("windows", "--status", "COMPLETED", "--format", "json").json[0]["target_count"] == 12


def test_a_task_without_a_window_says_what_comes_first(flights: Flights) -> None:
    """A phase needs the lock of its run."""
    answer = flights("task", "source_to_stage", "--run-id", "nobody")
    assert answer.code == 3
    assert "store_and_validate" in answer.err


def test_a_wrong_key_of_a_connector_costs_no_attempt(flights: Flights) -> None:
    """Long runs and backfills find it before they lock a window: exit code 2, nothing counted."""
    flights.change("time_field: time_hour}\nstage", "time_feld: time_hour}\nstage")
    backfill = ("backfill", "--from", "2013-03-09", "--to", "2013-03-10")
    for words in (("run", "--until-caught-up"), backfill):
        assert flights(*words).code == 2
    flights.change("time_feld", "time_field")
    assert {row["retry_attempt"] for row in flights("plan", "--format", "json").json} <= {0}
    assert flights("run", "--until-caught-up").code == 0


def test_an_earlier_end_is_obeyed(flights: Flights) -> None:
    """Windows that were added before `end` moved back wait; none of them runs."""
    flights("run")
    flights.change("end: 2013-03-12 ", "end: 2013-03-10 ")
    assert len(flights("plan", "--format", "json").json) == 11
    assert len(flights("run", "--until-caught-up", "--format", "json").json) == 11
    assert flights("run", "--window", "2013-03-11").code == 3


def test_tasks_out_of_order_are_refused(flights: Flights) -> None:
    """A phase without the marker before it moves nothing and costs no attempt."""
    flights("task", "store_and_validate", "--run-id", "mine")
    answer = flights("task", "audit", "--run-id", "mine")
    assert (answer.code, "comes first" in answer.err) == (2, True)
    row = flights("windows", "--format", "json").json[0]
    assert (row["pipeline_status"], row["retry_attempt"]) == ("PENDING", 0)


def test_two_pipelines_cannot_empty_each_others_windows(flights: Flights) -> None:
    """A second pipeline into the same time of the same table is refused; the rows stay."""
    flights("run", "--until-caught-up")
    flights.change("pipeline_id: flights", "pipeline_id: others\ntrust_existing: false")
    answer = flights("run")
    assert (answer.code, "belongs to pipeline flights" in answer.err) == (2, True)
    assert flights.target() == flights.rows()


def test_a_window_may_be_named_by_its_id(flights: Flights) -> None:
    """As every other command takes it."""
    flights("run")
    assert flights("run", "--window", "5", "--format", "json").json[0]["id"] == 5


SLOW = """\
import time
from dataclasses import dataclass

import pyarrow as pa

from implementations.files import FilesSource


@dataclass(frozen=True)
class Slow(FilesSource):
    def read(self, window):
        reading = super().read(window)
        open("reading", "w").close()
        time.sleep(60)
        return reading
"""

# A shell starts what it puts into the background deaf to SIGINT, and children inherit that.
HEARS_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], [sys.argv[1], "run"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_run_is_resumed_and_nothing_is_doubled(flights: Flights, how: signal.Signals) -> None:
    """A run that dies in mid-phase leaves a lock; the next run clears it and the rows come once."""
    (flights.folder / "slow.py").write_text(SLOW)
    flights.change("type: files", "type: slow:Slow")
    flights.change("lease_seconds: 90", "lease_seconds: 5")
    command = [sys.executable, "-c", HEARS_SIGINT, str(PIPELINE)]
    victim = subprocess.Popen(command, cwd=flights.folder, stderr=subprocess.PIPE)
    wait_for(flights.folder / "reading")
    victim.send_signal(how)
    _, said = victim.communicate(timeout=20)
    assert b"Traceback" not in said
    flights.change("type: slow:Slow", "type: files")
    deadline = time.monotonic() + 20
    while flights("locks", "list", "--format", "json").json and time.monotonic() < deadline:
        time.sleep(0.5)
        flights("locks", "clear", "--stale")
    answer = flights("run", "--until-caught-up", "--format", "json")
    assert answer.code == 0, answer.err
    assert flights.target() == flights.rows()


def wait_for(path: Path) -> None:
    """Until the file is there."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)

"""Backfills: ranges side by side, beside runs, refused, reloaded, killed and gone on with."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.cli.conftest import PIPELINE, WINDOWS, Answer, Flights
from tests.cli.test_parallel import SLOW, started
from tests.cli.test_run import wait_for

FIRST_DAY = ("backfill", "--from", "2013-03-09", "--to", "2013-03-10")
SECOND_DAY = ("backfill", "--from", "2013-03-10", "--to", "2013-03-11")
WAITS = """\
import time
from dataclasses import dataclass
from pathlib import Path

from implementations.files import FilesSource


@dataclass(frozen=True)
class Waits(FilesSource):
    def read(self, window):
        open("reading", "w").close()
        while not Path("go_on").exists():
            time.sleep(0.02)
        return super().read(window)
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def anywhere(request: pytest.FixtureRequest, flights: Flights) -> Flights:
    """The flights, their control table in either database in turn."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("fresh_postgres")
        flights.change("sqlite:///control.db", make())
        assert flights("migrate").code == 0
    return flights


def in_background(flights: Flights, *words: str) -> "subprocess.Popen[str]":
    """The command in a process of its own, its answer as JSON."""
    return subprocess.Popen(
        [str(PIPELINE), *words, "--format", "json"],
        cwd=flights.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def answer_of(process: "subprocess.Popen[str]") -> Answer:
    """What it said."""
    out, err = process.communicate(timeout=300)
    return Answer(process.returncode, out, err)


@pytest.mark.slow
def test_two_ranges_and_a_run_side_by_side(anywhere: Flights) -> None:
    """Three processes at once: each backfill runs its own windows, the run others, each row comes once."""
    assert anywhere("run", "--window", "2013-03-09").code == 0
    backfills = [in_background(anywhere, *words, "--parallel", "2") for words in (FIRST_DAY, SECOND_DAY)]
    run = in_background(anywhere, "run", "--until-caught-up")
    answers = [answer_of(process) for process in (*backfills, run)]
    assert {answer.code for answer in answers} <= {0, 3}, [answer.err for answer in answers]
    assert {row["target_day"] for row in answers[0].json} <= {"2013-03-09"}
    assert {row["target_day"] for row in answers[1].json} <= {"2013-03-10"}
    assert anywhere("run", "--until-caught-up").code in {0, 3}
    rows = anywhere("windows", "--format", "json").json
    assert [(row["pipeline_status"], row["retry_attempt"], row["range_id"]) for row in rows] == [
        ("COMPLETED", 0, None)
    ] * WINDOWS
    assert anywhere.target() == anywhere.rows()


@pytest.mark.slow
def test_while_one_backfills_others_are_told(anywhere: Flights) -> None:
    """A range that overlaps is refused with who holds what since when; runs and disjoint ranges go on."""
    (anywhere.folder / "waits.py").write_text(WAITS)
    anywhere.change("type: files", "type: waits:Waits")
    first = in_background(anywhere, *FIRST_DAY, "--reason", "source was repaired")
    wait_for(anywhere.folder / "reading")
    anywhere.change("type: waits:Waits", "type: files")
    for words in (("--dry-run",), ()):
        refused = anywhere("backfill", "--from", "2013-03-09T22:00", "--to", "2013-03-11", *words)
        assert (refused.code, refused.out) == (3, "")
        assert "2013-03-09T05:00:00Z/2013-03-10T05:00:00Z" in refused.err
        assert "(source was repaired)" in refused.err
        assert f":{first.pid}" in refused.err
    chosen = anywhere("run", "--window", "2013-03-09T08:00")
    assert (chosen.code, "is set aside for the backfill of range" in chosen.err) == (3, True)
    assert len(anywhere(*SECOND_DAY, "--format", "json").json) == 11
    assert len(anywhere("run", "--until-caught-up", "--format", "json").json) == 12
    (anywhere.folder / "go_on").touch()
    told = answer_of(first)
    assert (told.code, len(told.json)) == (0, 12)
    assert anywhere.target() == anywhere.rows()


def test_a_window_that_another_run_holds_is_told_at_the_end(flights: Flights) -> None:
    """The backfill runs the others, and names the one it could not have and who holds it."""
    flights("task", "store_and_validate", "--run-id", "somebody")
    answer = flights(*FIRST_DAY, "--format", "json")
    assert (answer.code, len(answer.json)) == (0, 11)
    assert "is held by" in answer.err
    assert "in run somebody" in answer.err
    again = flights(*FIRST_DAY)
    assert (again.code, "1 held by another run" in again.err) == (3, True)


def test_a_failed_window_is_told_and_goes_on_with_ordinary_runs(flights: Flights) -> None:
    """It leaves the range with an attempt counted; the same backfill tries it again when asked again."""
    day = flights.folder / "data" / "0.parquet"
    good = day.read_bytes()
    day.write_bytes(good[: len(good) // 2])
    answer = flights("backfill", "--from", "2013-03-09", "--to", "2013-03-09T04:00", "--format", "json")
    assert answer.code == 1
    assert [row["range_id"] for row in answer.json] == [None, None]
    assert "2 waiting for an ordinary run or the next backfill" in answer.err
    day.write_bytes(good)
    assert len(flights(*FIRST_DAY, "--format", "json").json) == 12


def test_force_reloads_finished_windows(flights: Flights) -> None:
    """They are reopened with the reason and loaded again; the dry run lists them before."""
    assert flights(*FIRST_DAY).code == 0
    assert flights(*FIRST_DAY, "--dry-run", "--format", "json").json == []
    would = flights(*FIRST_DAY, "--dry-run", "--force", "--format", "json").json
    assert [row["pipeline_status"] for row in would] == ["COMPLETED"] * 12
    assert flights("windows", "--status", "PENDING", "--format", "json").json == []
    done = flights(*FIRST_DAY)
    assert (done.code, "backfill --force` loads them again" in done.err) == (3, True)
    again = flights(*FIRST_DAY, "--force", "--reason", "source was repaired", "--format", "json")
    assert [row["reload_reason"] for row in again.json] == ["source was repaired"] * 12
    assert {row["audit_result"] for row in again.json} == {"loaded"}
    assert flights("status", "--format", "json").json["counts"]["COMPLETED"] == 12


def test_a_dry_run_writes_nothing(flights: Flights) -> None:
    """No window and no range is added, and what would run is listed with what would be reloaded, by time."""
    flights("run")
    rows = flights(*FIRST_DAY, "--dry-run", "--force", "--format", "json").json
    assert [row["pipeline_status"] for row in rows] == ["COMPLETED"] + ["PENDING"] * 11
    starts = [row["window_start_time"] for row in rows]
    assert starts == sorted(starts)
    before = (flights.folder / "control.db").read_bytes()
    flights(*FIRST_DAY, "--dry-run", "--force")
    assert (flights.folder / "control.db").read_bytes() == before


def test_a_range_adds_no_window_beyond_its_own(flights: Flights) -> None:
    """Days before and after it have none until they are needed."""
    assert flights(*SECOND_DAY).code == 0
    rows = flights("windows", "--format", "json").json
    assert {row["target_day"] for row in rows} == {"2013-03-10"}


def test_two_slots_from_the_newest_end(flights: Flights) -> None:
    """The youngest windows are begun first."""
    answer = flights(*FIRST_DAY, "--newest-first", "--parallel", "2", "--format", "json")
    locked = sorted(answer.json, key=lambda row: row["lock_epoch"])
    starts = [row["window_start_time"] for row in locked]
    assert (answer.code, starts) == (0, sorted(starts, reverse=True))


@pytest.mark.slow
def test_a_killed_backfill_goes_on_where_it_was(flights: Flights) -> None:
    """Its range and locks live on until their leases run out; then the same command runs what is left."""
    assert flights("run").code == 0
    (flights.folder / "slow.py").write_text(SLOW)
    flights.change("type: files", "type: slow:Slow")
    flights.change("lease_seconds: 90", "lease_seconds: 5")
    victim = started(flights, *FIRST_DAY, "--parallel", "2")
    wait_for(flights.folder / "reading_07")
    wait_for(flights.folder / "reading_09")
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=30)
    flights.change("type: slow:Slow", "type: files")
    refused = flights(*FIRST_DAY)
    assert (refused.code, "its lease until" in refused.err) == (3, True)
    wait_until_free(flights)
    answer = flights(*FIRST_DAY, "--format", "json")
    assert (answer.code, len(answer.json)) == (0, 11), answer.err
    assert flights.target() == list(range(144))


def wait_until_free(flights: Flights) -> None:
    """Until some run finds the leases of the dead one over."""
    deadline = time.monotonic() + 60
    while any(row["range_id"] for row in flights("windows", "--format", "json").json):
        assert time.monotonic() < deadline
        time.sleep(0.5)
        flights("locks", "clear", "--stale")

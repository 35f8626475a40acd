"""Several windows at a time, in slots of one run, as a person types it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import PIPELINE, WINDOWS, Flights
from tests.cli.test_run import HEARS_SIGINT, wait_for

RANGE = ("--from", "2013-03-09", "--to", "2013-03-10")
FAILS_ONCE = """\
from dataclasses import dataclass

from implementations.files import FilesSource
from pipeline_framework.errors import {error}


@dataclass(frozen=True)
class Picky(FilesSource):
    def read(self, window):
        if window.start.hour == 7:
            raise {error}("no rows at seven o'clock.")
        return super().read(window)
"""
SLOW = """\
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from implementations.files import FilesSource


@dataclass(frozen=True)
class Slow(FilesSource):
    def read(self, window):
        open(f"reading_{window.start:%H}", "w").close()
        with ThreadPoolExecutor(1) as pool:  # Python waits for its threads before it ends
            pool.submit(time.sleep, 60).result()
        return super().read(window)
"""


def test_slots_share_the_windows_and_every_row_comes_once(flights: Flights) -> None:
    """Three slots of one run: a result for each window, no attempt lost, the target equals the source."""
    answer = flights("run", "--until-caught-up", "--parallel", "3", "--format", "json")
    assert answer.code == 0, answer.err
    assert len(answer.json) == WINDOWS
    assert {row["retry_attempt"] for row in answer.json} == {0}
    assert {row["run_slot"] for row in answer.json} == {0, 1, 2}
    assert len({row["dag_run_id"] for row in answer.json}) == 1
    assert flights.target() == flights.rows()


def test_each_slot_takes_as_many_as_a_run_does(flights: Flights) -> None:
    """`windows_per_run` is for a run without options, and for each of its slots."""
    assert len(flights("run", "--format", "json").json) == 1
    flights.change("max_attempts: 3", "max_attempts: 3\nwindows_per_run: 2")
    assert len(flights("run", "--format", "json").json) == 2
    assert len(flights("run", "--once", "--format", "json").json) == 1
    assert len(flights("run", "--parallel", "3", "--format", "json").json) == 6
    flights.change("windows_per_run: 2", "windows_per_run: 0")
    assert len(flights("run", "--format", "json").json) == WINDOWS - 10


def test_no_window_begins_when_the_time_of_a_run_is_over(flights: Flights) -> None:
    """`run_seconds` ends a run that would take more windows."""
    flights.change("max_attempts: 3", "max_attempts: 3\nwindows_per_run: 0\nrun_seconds: 0.001")
    assert len(flights("run", "--format", "json").json) == 1
    assert len(flights("run", "--until-caught-up", "--format", "json").json) == WINDOWS - 1


def test_one_slots_error_loses_no_other_result(flights: Flights) -> None:
    """The windows that fail are told, all others are done, and none runs twice."""
    (flights.folder / "picky.py").write_text(FAILS_ONCE.format(error="BadData"))
    flights.change("type: files", "type: picky:Picky")
    answer = flights("run", "--until-caught-up", "--parallel", "2", "--format", "json")
    assert (answer.code, len(answer.json)) == (1, WINDOWS)
    failed = [row for row in answer.json if not row["done"]]
    assert [(row["pipeline_status"], row["retry_attempt"]) for row in failed] == [("PENDING", 1)]


def test_a_mistake_of_the_configuration_stops_all_slots(flights: Flights) -> None:
    """It would hit every window: no further one is begun, those that run are finished and told."""
    (flights.folder / "picky.py").write_text(FAILS_ONCE.format(error="Misuse"))
    flights.change("type: files", "type: picky:Picky")
    answer = flights("run", "--until-caught-up", "--parallel", "2", "--format", "json")
    assert (answer.code, "no rows at seven o'clock" in answer.err) == (2, True)
    assert len(answer.json) < WINDOWS // 2
    rows = flights("windows", "--format", "json").json
    assert len([row for row in rows if row["pipeline_status"] == "COMPLETED"]) == len(answer.json)
    assert {row["pipeline_status"] for row in rows} == {"COMPLETED", "PENDING"}
    assert {row["retry_attempt"] for row in rows} == {0}


def test_windows_in_strict_order_do_not_run_side_by_side(flights: Flights) -> None:
    """A sentence says why and what to do; nothing is locked."""
    flights.change("max_attempts: 3", "max_attempts: 3\norder: strict")
    for words in (("run", "--until-caught-up"), ("backfill", *RANGE)):
        answer = flights(*words, "--parallel", "2")
        assert (answer.code, "leave out --parallel" in answer.err) == (2, True)
    assert flights("backfill", *RANGE, "--newest-first").code == 2


@pytest.mark.parametrize("words", [("--once",), ("--window", "1")])
def test_one_window_has_no_use_for_two_slots(flights: Flights, words: tuple[str, ...]) -> None:
    """Options that say different things are refused."""
    assert flights("run", "--parallel", "2", *words).code == 2


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "words", [("run", "--until-caught-up"), ("backfill", *RANGE)], ids=["run", "backfill"]
)
def test_stopping_a_run_puts_all_its_windows_back_at_once(
    flights: Flights, how: signal.Signals, words: tuple[str, ...]
) -> None:
    """Without waiting for slots that would work on for a minute; uncounted, and nothing stays set aside."""
    (flights.folder / "slow.py").write_text(SLOW)
    flights.change("type: files", "type: slow:Slow")
    victim = started(flights, *words, "--parallel", "2")
    wait_for(flights.folder / "reading_05")
    wait_for(flights.folder / "reading_07")
    begun = time.monotonic()
    victim.send_signal(how)
    _, said = victim.communicate(timeout=30)
    assert time.monotonic() - begun < 30
    assert victim.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[how]
    assert b"Traceback" not in said
    assert b"put back" in said
    rows = flights("windows", "--format", "json").json
    assert {(row["pipeline_status"], row["retry_attempt"], row["range_id"]) for row in rows} == {
        ("PENDING", 0, None)
    }
    assert [row["move_name"] for row in rows][:2] == ["interrupt_run", "interrupt_run"]
    flights.change("type: slow:Slow", "type: files")
    assert flights("run", "--until-caught-up", "--parallel", "2").code == 0
    assert flights.target() == flights.rows()


def started(flights: Flights, *words: str) -> "subprocess.Popen[bytes]":
    """The command in a process of its own that hears SIGINT."""
    program = HEARS_SIGINT.replace('"run"]', "*sys.argv[2:]]")
    command = [sys.executable, "-c", program, str(PIPELINE), *words]
    return subprocess.Popen(
        command, cwd=flights.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ)
    )

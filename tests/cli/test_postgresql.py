"""The same commands with the control table on PostgreSQL, where it is migrated when told."""

import os
import subprocess
from collections.abc import Callable

import pytest

from tests.cli.conftest import PIPELINE, WINDOWS, Flights
from tests.services.roles import user_in

pytestmark = pytest.mark.services


@pytest.fixture
def served(flights: Flights, fresh_postgres: Callable[[], str]) -> Flights:
    """The flights, their control table in an empty PostgreSQL database."""
    flights.change("sqlite:///control.db", fresh_postgres())
    return flights


def test_a_schema_that_is_missing_names_the_command(served: Flights) -> None:
    """Exit code 2, and `pipeline migrate` mends it."""
    answer = served("run")
    assert (answer.code, "pipeline migrate" in answer.err) == (2, True)
    assert "0001" in served("migrate", "--status").out
    assert served("migrate").code == 0
    assert "up to date" in served("migrate").out


def test_check_names_the_rights_that_are_missing(flights: Flights, fresh_postgres: Callable[[], str]) -> None:
    """A user who may only read is told so before a run."""
    url = fresh_postgres()
    flights.change("sqlite:///control.db", url)
    flights("migrate")
    with user_in("pipeline_reader", url) as as_reader:
        flights.change(url, as_reader)
        answer = flights("check")
        assert answer.code == 1
        assert "this user lacks INSERT on pipeline_ranges" in answer.out
        assert "grant it the role pipeline_runner" in answer.out


def test_every_question_is_answered(served: Flights) -> None:
    """Run, then ask everything; the answers have the same keys as on SQLite."""
    served("migrate")
    assert served("run", "--until-caught-up", "--format", "json").code == 0
    assert served.target() == served.rows()
    assert served("status", "--format", "json").json["counts"]["COMPLETED"] == WINDOWS
    assert len(served("windows", "--format", "json").json) == WINDOWS
    assert served("gaps", "--format", "json").json == []
    assert served("locks", "list", "--format", "json").json == []
    assert served("check").code == 0
    first = served("windows", "--format", "json").json[0]
    assert served("show", str(first["id"]), "--format", "json").json["events"]
    assert served("audit", str(first["id"])).code == 0
    assert served("reopen", "--from", "2013-03-10", "--to", "2013-03-11", "--reason", "test").code == 0
    words = ("--from", "2013-03-10", "--to", "2013-03-11", "--format", "json")
    assert len(served("backfill", *words).json) == 11
    assert served.target() == served.rows()


def test_three_processes_share_the_windows(served: Flights) -> None:
    """Each window is run by one of them, and every row comes once."""
    served("migrate")
    command = [str(PIPELINE), "run", "--until-caught-up"]
    quiet = subprocess.DEVNULL
    runs = [
        subprocess.Popen(command, cwd=served.folder, stdout=quiet, stderr=quiet, env=dict(os.environ))
        for _ in range(3)
    ]
    codes = {run.wait(timeout=120) for run in runs}
    assert codes <= {0, 3}
    rows = served("windows", "--format", "json").json
    assert [row["pipeline_status"] for row in rows] == ["COMPLETED"] * WINDOWS
    assert {row["retry_attempt"] for row in rows} == {0}
    assert served.target() == served.rows()

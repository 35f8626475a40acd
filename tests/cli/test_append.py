"""A window that was appended is not put back into line: a second load would double its rows."""

import duckdb
import pytest

from tests.cli.conftest import Flights

REFUSED = (
    "error: window 2013-03-09T05:00:00Z/2013-03-09T07:00:00Z was appended to the target already, and "
    "`target.write.mode: append` adds a window once: nothing is reopened. Take its rows and its row of "
    "pipeline_loads out of the target first, or use `replace_window`.\n"
)
RANGE = ("--from", "2013-03-09", "--to", "2013-03-10")


@pytest.fixture
def appended(flights: Flights) -> Flights:
    """The first window is loaded, others wait."""
    flights.change("time_field: time_hour}\n", "time_field: time_hour, write: {mode: append}}\n")
    flights.change("time_hour, write: {mode: append}}\nstage", "time_hour}\nstage")
    assert flights("run").code == 0
    return flights


def states(pipeline: Flights) -> set[str]:
    """How the first window and those behind it stand."""
    return {window["pipeline_status"] for window in pipeline("windows", "--format", "json").json}


@pytest.mark.parametrize(
    "words",
    [
        ("reopen", "--window", "1"),
        ("reopen", *RANGE),
        ("reopen", *RANGE, "--force"),
        ("backfill", *RANGE, "--force"),
        ("backfill", *RANGE, "--force", "--dry-run"),
    ],
    ids=" ".join,
)
def test_a_loaded_window_is_not_reopened(appended: Flights, words: tuple[str, ...]) -> None:
    """Exit code 2, the reason and the way out; nothing has moved."""
    before = appended("windows", "--format", "json").out
    answer = appended(*words)
    assert (answer.code, answer.err) == (2, REFUSED)
    assert appended("windows", "--format", "json").out == before
    assert len(appended.target()) == 12


def test_windows_that_were_never_loaded_are_reopened(appended: Flights) -> None:
    """Nothing of theirs can double."""
    appended("quarantine", "--window", "2")
    assert appended("reopen", "--window", "2").code == 0
    assert states(appended) == {"COMPLETED", "PENDING"}


def test_a_backfill_without_force_goes_on(appended: Flights) -> None:
    """It leaves alone what is loaded."""
    assert appended("backfill", *RANGE).code == 0
    assert len(appended.target()) == 24 * 6


def test_what_was_taken_out_of_the_target_is_loaded_anew(appended: Flights) -> None:
    """As the message says: its rows and its row of the ledger."""
    with duckdb.connect(str(appended.folder / "warehouse.duckdb")) as connection:
        connection.execute("DELETE FROM flights")
        connection.execute("DELETE FROM pipeline_loads")
    assert appended("reopen", "--window", "1").code == 0
    assert appended("run", "--window", "1").code == 0
    assert appended.target() == list(range(12))

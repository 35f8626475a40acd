"""A person's decisions."""

import pytest

from tests.cli.conftest import Flights


def test_a_reopened_window_is_loaded_again_on_equal_counts(flights: Flights) -> None:
    """The reason and the person are in its events, and equal counts do not pass it over."""
    flights("run")
    answer = flights("reopen", "--window", "1", "--reason", "values were wrong", "--format", "json")
    assert answer.json[0]["pipeline_status"] == "PENDING"
    assert flights("run", "--format", "json").json[0]["audit_result"] == "loaded"
    events = flights("show", "1", "--format", "json").json["events"]
    assert any("values were wrong" in str(event) for event in events)
    assert flights.target() == list(range(12))


def test_reopening_empties_nothing(flights: Flights) -> None:
    """Until the new rows are there, the old ones stay."""
    flights("run")
    flights("reopen", "--window", "1")
    assert len(flights.target()) == 12


def test_reopen_of_nothing_is_exit_code_3(flights: Flights) -> None:
    """No finished window in the range."""
    flights("plan")
    assert flights("reopen", "--from", "2013-03-09").code == 3


@pytest.mark.parametrize("words", [(), ("--window", "1", "--from", "2013-03-09")])
def test_reopen_wants_one_way_of_saying_what(flights: Flights, words: tuple[str, ...]) -> None:
    """Neither or both is misuse."""
    assert flights("reopen", *words).code == 2


def test_quarantined_windows_are_retried(flights: Flights) -> None:
    """After max_attempts a window is FAILED; `retry` gives it new attempts."""
    day = flights.folder / "data" / "0.parquet"
    good = day.read_bytes()
    day.write_bytes(b"no parquet")
    for _ in range(3):
        assert flights("run").code == 1
    assert len(flights("windows", "--status", "FAILED", "--format", "json").json) == 1
    day.write_bytes(good)
    assert flights("retry", "--window", "1").code == 0
    assert flights("run", "--format", "json").json[0]["audit_result"] == "loaded"


def test_audit_explains_what_is_missing(flights: Flights) -> None:
    """Rows taken from the target by hand are counted and named, and the exit code says it."""
    flights("run")
    assert flights("audit", "1").code == 0
    flights.target("DELETE FROM flights WHERE n < 5")
    answer = flights("audit", "1", "--format", "json")
    assert answer.code == 1
    assert answer.json["explanation"] == "5 of 12 rows left the target after the load"


def test_a_living_lock_is_only_cleared_by_force(flights: Flights) -> None:
    """Without --force the holder keeps it; with it the window is free again."""
    flights("task", "store_and_validate", "--run-id", "mine")
    assert flights("locks", "clear", "--stale").code == 3
    refused = flights("locks", "clear", "--id", "1")
    assert (refused.code, "--force" in refused.err) == (2, True)
    assert flights("locks", "clear", "--id", "1", "--force").code == 0
    answer = flights("task", "source_to_stage", "--run-id", "mine")
    assert answer.code == 3

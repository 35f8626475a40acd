"""A person's decisions."""

import pytest

from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import ranges
from pipeline_framework.control_table.ranges import Order
from pipeline_framework.pipeline import opened
from pipeline_framework.windows import Window
from tests.cli.conftest import Flights
from tests.services.control import age_ranges


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


def test_a_range_is_listed_with_the_locks_and_let_go_with_them(flights: Flights) -> None:
    """Whose it is and why, while its backfill lives; a dead one is told as it is let go, and gone."""
    flights("run")
    with opened(load_final_config(flights.folder / "pipeline.yml")) as pipeline:
        span = Window(*(pipeline.config.instant(f"2013-03-{day}") for day in ("10", "11")))
        order = Order(span, "host:1 in backfill", "ann", "the source was repaired", 60)
        ranges.register(pipeline.database, pipeline.key, order)
        (held,) = flights("locks", "list", "--format", "json").json
        assert (held["kind"], held["actor"], held["reason"]) == ("range", "ann", "the source was repaired")
        assert (held["window_start_time"], held["stale"]) == ("2013-03-10T05:00:00Z", False)
        assert flights("locks", "clear", "--stale").code == 3
        age_ranges(pipeline.database, pipeline.key)
    assert flights("locks", "list", "--format", "json").json[0]["stale"] is True
    assert "of host:1 in backfill is let go" in flights("locks", "clear", "--stale").out
    assert flights("locks", "list", "--format", "json").json == []


def test_retry_takes_all_unless_told(flights: Flights) -> None:
    """As the message of a run that found nothing recommends."""
    day = flights.folder / "data" / "0.parquet"
    good = day.read_bytes()
    day.write_bytes(b"no parquet")
    for _ in range(3):
        flights("run")
    day.write_bytes(good)
    answer = flights("retry", "--format", "json")
    assert (answer.code, len(answer.json)) == (0, 1)


def test_a_window_that_waits_is_reopened_by_force(flights: Flights) -> None:
    """Without --force only finished windows are."""
    flights("run")
    refused = flights("reopen", "--window", "2")
    assert (refused.code, "--force" in refused.err) == (3, True)
    assert flights("reopen", "--window", "2", "--force").code == 0


def test_a_reason_is_not_empty(flights: Flights) -> None:
    """It is kept with the window, and decides that it is loaded again."""
    flights("run")
    assert flights("reopen", "--window", "1", "--reason", " ").code == 2


def test_a_window_that_was_never_loaded_is_not_audited(flights: Flights) -> None:
    """All its rows would count as lost."""
    flights("run")
    answer = flights("audit", "2")
    assert (answer.code, "not loaded yet" in answer.err) == (2, True)


def test_locks_of_another_pipeline_are_none_of_ours(flights: Flights) -> None:
    """An id of another pipeline in the same control table is unknown here."""
    text = (flights.folder / "pipeline.yml").read_text()
    (flights.folder / "other.yml").write_text(text.replace("pipeline_id: flights", "pipeline_id: other"))
    flights("task", "store_and_validate", "--run-id", "mine", "--config", "other.yml")
    (lock,) = flights("locks", "--config", "other.yml", "list", "--format", "json").json
    refused = flights("locks", "clear", "--id", str(lock["id"]), "--force")
    assert (refused.code, "has no window" in refused.err) == (2, True)
    cleared = flights("locks", "--config", "other.yml", "clear", "--id", str(lock["id"]), "--force")
    assert cleared.code == 0

"""What holds windows back: a person's pause, a circuit, the order, a question; and windows done without."""

import pytest

from tests.cli.conftest import Flights

MODULE = '''
"""Moves nothing: one row an hour that is always there, unless the system is down or a window is poison."""
from pathlib import Path

HERE = Path(__file__).parent


def place(record):
    return HERE / f"loaded_{record['WINDOW_START_TIME']:%dT%H}"


def get_source_count(final_config, record):
    poisonous = (HERE / "poison").exists() and place(record).name in (HERE / "poison").read_text()
    if (HERE / "down").exists() or poisonous:
        raise ConnectionError("nobody answers")
    return 1


def get_target_count(final_config, record): return int(place(record).exists())
def clean_stage_location(final_config, record): pass
def transfer_source_to_stage(final_config, record): pass
def clean_target_location(final_config, record): place(record).unlink(missing_ok=True)
def transfer_stage_to_target(final_config, record): place(record).touch()


def is_ready(final_config, record):
    with (HERE / "asked").open("a") as asked:
        asked.write(f"{record['WINDOW_START_TIME']:%dT%H}\\n")
    if (HERE / "broken").exists():
        raise ValueError("no such day")
    closed = HERE / "closed"
    return not closed.exists() or f"{record['window_start_time']:%dT%H}" not in closed.read_text()
'''


@pytest.fixture
def paused(flights: Flights) -> Flights:
    """Paused by somebody before its first window."""
    answer = flights("pause", "--reason", "the warehouse moves")
    assert (answer.code, "is paused by" in answer.out) == (0, True)
    return flights


def with_module(flights: Flights, *keys: str) -> Flights:
    """A module of functions in the place of connectors, and more keys."""
    (flights.folder / "hours.py").write_text(MODULE)
    text = (flights.folder / "pipeline.yml").read_text()
    flights.change(text[text.index("source:") :], "\n".join(["implementation: hours", *keys, ""]))
    return flights


def statuses(flights: Flights) -> list[str]:
    """pipeline_status of every window, oldest first."""
    return [row["pipeline_status"] for row in flights("windows", "--format", "json").json]


def test_paused_pipeline_adds_windows_and_starts_none(paused: Flights) -> None:
    """It ends with nothing to do, and says who paused it, since when, why, and what to type."""
    answer = paused("run")
    assert answer.code == 3
    assert "flights: paused by" in answer.err
    assert "because the warehouse moves; `pipeline resume`" in answer.err
    assert set(statuses(paused)) == {"PENDING"}


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--until-caught-up"),
        ("run", "--window", "2013-03-09T02:00"),
        ("backfill", "--from", "2013-03-09", "--to", "2013-03-10"),
        ("task", "store_and_validate"),
    ],
)
def test_nothing_slips_past_a_pause(paused: Flights, words: tuple[str, ...]) -> None:
    """No way of running starts a window."""
    answer = paused(*words)
    assert (answer.code, "paused by" in answer.err) == (3, True)
    assert set(statuses(paused)) == {"PENDING"}


def test_running_window_finishes_in_spite_of_a_pause(flights: Flights) -> None:
    """A window that was locked before goes on to its end."""
    flights("task", "store_and_validate", "--run-id", "mine")
    flights("pause")
    for step in ("pre_validation", "source_to_stage", "stage_to_target", "audit"):
        assert flights("task", step, "--run-id", "mine").code == 0
    assert statuses(flights)[0] == "COMPLETED"


def test_status_shows_a_pause(paused: Flights) -> None:
    """Who, since when and why."""
    gates = paused("status", "--format", "json").json["gates"]
    assert gates["pause_reason"] == "the warehouse moves"
    assert gates["paused_by"]
    assert gates["paused_at"].endswith("Z")
    assert "the warehouse moves" in paused("status").out


def test_resumed_pipeline_goes_on(paused: Flights) -> None:
    """The answer repeats who had paused it."""
    answer = paused("resume")
    assert (answer.code, "because the warehouse moves" in answer.out) == (0, True)
    assert paused("run").code == 0


def test_second_pause_and_second_resume_change_nothing(paused: Flights) -> None:
    """Exit code 3: the first pause stands, and nobody is paused after a resume."""
    again = paused("pause", "--reason", "another")
    assert (again.code, "because the warehouse moves" in again.err) == (3, True)
    assert paused("resume").code == 0
    assert paused("resume").code == 3


def test_pause_wants_a_reason(flights: Flights) -> None:
    """An empty one helps nobody."""
    assert flights("pause", "--reason", " ").code == 2


def test_skipped_window_counts_as_done(flights: Flights) -> None:
    """It is COMPLETED and says skipped; who and why are in its events, and no run takes it."""
    flights("run", "--window", "2013-03-09T02:00")
    answer = flights("skip", "--window", "1", "--reason", "that day is lost", "--format", "json")
    assert (answer.json[0]["pipeline_status"], answer.json[0]["audit_result"]) == ("COMPLETED", "skipped")
    (event,) = flights("show", "1", "--format", "json").json["events"]
    assert (event["move_name"], event["reason"], bool(event["actor"])) == ("skip", "that day is lost", True)
    assert flights("run", "--format", "json").json[0]["id"] == 3


def test_quarantined_window_waits_for_a_person(flights: Flights) -> None:
    """Its error is the reason, others go on, and `retry` lets it run."""
    flights("run", "--window", "2013-03-09T02:00")
    answer = flights("quarantine", "--to", "2013-03-09T02:00", "--reason", "wrong prices", "--format", "json")
    assert [(row["pipeline_status"], row["last_error"]) for row in answer.json] == [
        ("FAILED", "wrong prices")
    ]
    assert flights("run", "--format", "json").json[0]["id"] == 3
    assert flights("retry", "--window", "1").code == 0
    assert flights("run", "--format", "json").json[0]["id"] == 1


@pytest.mark.parametrize("command", ["skip", "quarantine"])
def test_decision_on_windows_says_which(flights: Flights, command: str) -> None:
    """Nothing said is misuse, and windows that are done are left alone."""
    flights("run")
    assert flights(command).code == 2
    answer = flights(command, "--window", "1")
    assert (answer.code, "only PENDING" in answer.err) == (3, True)


def test_outage_opens_the_circuit_and_retry_closes_it(flights: Flights) -> None:
    """Three attempts in a row that nobody answers: then no window starts, and it says what to type."""
    with_module(flights, "circuit_failures: 3")
    flights.change("backoff_seconds: 0", "backoff_seconds: 600")
    (flights.folder / "down").touch()
    answer = flights("run", "--until-caught-up", "--format", "json")
    assert [row["retry_attempt"] for row in answer.json] == [1, 1, 1]
    refused = flights("run")
    assert refused.code == 3
    assert "the circuit is open until" in refused.err
    assert "3 attempts in a row" in refused.err
    assert "nobody answers" in refused.err
    assert "`pipeline retry`" in refused.err
    assert flights("status", "--format", "json").json["gates"]["circuit_open"] is True
    (flights.folder / "down").unlink()
    closed = flights("retry")
    assert (closed.code, "the circuit is closed" in closed.err) == (0, True)
    assert flights("run").code == 0


def test_retry_of_a_circuit_alone_is_something_done(flights: Flights) -> None:
    """Though no window waits any more."""
    with_module(flights, "circuit_failures: 1")
    flights.change("backoff_seconds: 0", "backoff_seconds: 600")
    (flights.folder / "down").touch()
    assert flights("run").code == 1
    assert flights("skip", "--window", "1").code == 0
    assert flights("retry").code == 0
    assert flights("retry").code == 3


def test_poisonous_window_does_not_hold_the_others_back(flights: Flights) -> None:
    """The circuit opens over it, the next proof comes from another window, and the rest is loaded."""
    with_module(flights, "circuit_failures: 1")
    (flights.folder / "poison").write_text("loaded_09T05")
    assert flights("run").code == 1
    assert flights("run", "--format", "json").json[0]["id"] == 2
    assert flights("status", "--format", "json").json["gates"]["circuit_failures"] == 0


def test_strict_order_waits_for_the_oldest_window(flights: Flights) -> None:
    """A failed window holds up all later ones; the message names it, and skipping it lets them go on."""
    with_module(flights, "order: strict")
    (flights.folder / "down").touch()
    for _ in range(3):
        flights("run")
    (flights.folder / "down").unlink()
    answer = flights("run")
    assert answer.code == 3
    assert "order: strict waits for window 2013-03-09T05:00:00Z" in answer.err
    assert "(id 1), which is FAILED" in answer.err
    flights("skip", "--window", "1")
    assert flights("run", "--format", "json").json[0]["id"] == 2


def test_strict_order_refuses_what_is_out_of_order(flights: Flights) -> None:
    """A chosen window before its turn, and newest first; one whose turn it is runs."""
    with_module(flights, "order: strict")
    chosen = flights("run", "--window", "2013-03-09T02:00")
    assert (chosen.code, "order: strict" in chosen.err, "pipeline skip --window 1" in chosen.err) == (
        *(2, True, True),
    )
    newest = flights("backfill", "--from", "2013-03-09", "--to", "2013-03-10", "--newest-first")
    assert (newest.code, "--newest-first" in newest.err) == (2, True)
    assert "IN_PROGRESS" not in statuses(flights)
    assert flights("run", "--window", "1").code == 0


def test_window_that_is_not_ready_is_not_touched(flights: Flights) -> None:
    """The function says no for the first two: the third runs, and the others have no event."""
    with_module(flights, "ready: hours:is_ready")
    (flights.folder / "closed").write_text("09T05 09T07")
    assert flights("run", "--format", "json").json[0]["id"] == 3
    assert flights("show", "1", "--format", "json").json["events"] == []
    assert (flights.folder / "asked").read_text().split() == ["09T05", "09T07", "09T09"]


def test_windows_that_were_held_back_are_named(flights: Flights) -> None:
    """When none is left to run."""
    with_module(flights, "ready: hours:is_ready")
    flights.change("end: 2013-03-12", "end: 2013-03-09T04:00")
    (flights.folder / "closed").write_text("09T05 09T07")
    answer = flights("run")
    assert answer.code == 3
    assert "Held back by ready: hours:is_ready" in answer.err
    assert "2013-03-09T05:00:00Z/2013-03-09T07:00:00Z, 2013-03-09T07:00:00Z" in answer.err


def test_strict_order_asks_for_the_first_window_alone(flights: Flights) -> None:
    """No later one may run before it."""
    with_module(flights, "ready: hours:is_ready", "order: strict")
    (flights.folder / "closed").write_text("09T05")
    assert flights("run").code == 3
    assert (flights.folder / "asked").read_text().split() == ["09T05"]
    assert set(statuses(flights)) == {"PENDING"}


def test_chosen_window_is_asked_for_as_well(flights: Flights) -> None:
    """A person's choice does not make its source complete."""
    with_module(flights, "ready: hours:is_ready")
    (flights.folder / "closed").write_text("09T07")
    answer = flights("run", "--window", "2013-03-09T02:00")
    assert (answer.code, "Held back by ready" in answer.err) == (3, True)


def test_error_of_the_question_names_the_function(flights: Flights) -> None:
    """File, line, key and what it raised; nothing is locked."""
    with_module(flights, "ready: hours:is_ready")
    (flights.folder / "broken").touch()
    answer = flights("run")
    assert answer.code == 2
    assert "ready: 'hours:is_ready' raised ValueError: no such day" in answer.err
    assert set(statuses(flights)) == {"PENDING"}


def test_check_finds_the_function(flights: Flights) -> None:
    """Before a run does; it is looked for, not asked."""
    with_module(flights, "ready: hours:is_ready")
    found = flights("check")
    assert (found.code, "ready: hours:is_ready is there" in found.out) == (0, True)
    assert not (flights.folder / "asked").exists()
    flights.change("hours:is_ready", "hours:is_raedy")
    lacking = flights("check")
    assert (lacking.code, "Did you mean 'is_ready'?" in lacking.out + lacking.err) == (1, True)


def test_plan_does_not_ask(flights: Flights) -> None:
    """It lists what the table knows."""
    with_module(flights, "ready: hours:is_ready")
    assert flights("plan").code == 0
    assert not (flights.folder / "asked").exists()

"""What holds all claims of a pipeline back: a person's pause, and the circuit of a system that is down."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, claims, gates, progress, ranges
from pipeline_framework.control_table.gates import Gates
from pipeline_framework.control_table.ranges import Order
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import LockLost, Misuse
from pipeline_framework.windows import Window
from tests.integration.control_table.stories import (
    FIRST,
    HOURLY,
    LATER,
    LEASE,
    add_hours,
    claim,
    hour,
    read,
    run,
)
from tests.services.control import by_hand

BACKOFF = 100.0  # seconds
Take = Callable[..., Record | None]
LINE: dict[str, Take] = {
    "claim_oldest": partial(claims.claim_oldest, watermark=LATER),
    "claim_newest": partial(claims.claim_newest, watermark=LATER),
    "claim_held_back": partial(claims.claim_held_back, watermark=LATER),
    "claim_in_order": partial(claims.claim_in_order, watermark=LATER),
    "claim_window": partial(claims.claim_window, window_start=FIRST),
}
RANGED: dict[str, Take] = {
    "claim_oldest_of_range": claims.claim_oldest_of_range,
    "claim_newest_of_range": claims.claim_newest_of_range,
}


def pause(control: Database, key: PipelineKey) -> Gates | None:
    return gates.pause(control, key, HOURLY, actor="ann", reason="it moves")


def fail(control: Database, key: PipelineKey, times: int = 1, threshold: int = 3) -> Gates | None:
    """So many attempts met a system that does not answer."""
    note = partial(gates.note_unavailable, control, key, "no answer", threshold=threshold)
    return [note(backoff_seconds=BACKOFF) for _ in range(times)][-1]


def let_time_pass(control: Database, key: PipelineKey) -> None:
    """Waits of the circuit and of windows are over."""
    past = "'2001-01-01T00:00:00.000000Z'"
    by_hand(
        control,
        f"UPDATE pipelines SET circuit_until = {past} WHERE pipeline_id = :id AND circuit_until IS NOT NULL",
        id=key.pipeline_id,
    )
    by_hand(
        control,
        f"UPDATE pipeline_records SET not_before = {past} WHERE pipeline_id = :id AND not_before IS NOT NULL",
        id=key.pipeline_id,
    )


def waited_for(control: Database, key: PipelineKey) -> None:
    """The only window failed before and its wait is over, so that every claim may take it."""
    add_hours(control, key, 1)
    progress.fail(control, claim(control, key).lock(), "no luck", backoff_seconds=1)
    let_time_pass(control, key)


def unavailable(control: Database, record: Record, threshold: int = 3) -> Record:
    """The attempt is over, told to the window and then to the circuit."""
    wait: dict[str, Any] = {"threshold": threshold, "backoff_seconds": BACKOFF}
    failed = progress.fail_unavailable(control, record.lock(), "no answer", **wait)
    gates.note_unavailable(control, PipelineKey(record.pipeline_id, record.mapping_name), "no answer", **wait)
    return failed


@contextmanager
def about(seconds: float, since: datetime) -> Iterator[Callable[[datetime | None], bool]]:
    """Whether a time lies so many seconds behind `since`, give or take what the test itself takes."""
    yield lambda time: time is not None and abs((time - since).total_seconds() - seconds) < 30


@pytest.mark.parametrize("move", LINE)
@pytest.mark.parametrize("shut", ["paused", "circuit"])
def test_no_claim_passes_a_gate_that_is_shut(
    control: Database, key: PipelineKey, move: str, shut: str
) -> None:
    """Each claim looks at both gates itself, and takes the window once they are open again."""
    waited_for(control, key)
    if shut == "paused":
        pause(control, key)
    else:
        fail(control, key, 3)
    assert LINE[move](control, key, run(), lease_seconds=LEASE) is None
    gates.resume(control, key)
    gates.close_circuit(control, key)
    assert LINE[move](control, key, run(), lease_seconds=LEASE) is not None


@pytest.mark.parametrize("move", RANGED)
@pytest.mark.parametrize("shut", ["paused", "circuit"])
def test_no_backfill_passes_a_gate_that_is_shut(
    control: Database, key: PipelineKey, move: str, shut: str
) -> None:
    """The windows of its range wait like all others."""
    add_hours(control, key, 1)
    order = Order(Window(hour(0).start, hour(0).end), "backfill", "ann", "why", LEASE)
    mine = ranges.register(control, key, order)
    if shut == "paused":
        pause(control, key)
    else:
        fail(control, key, 3)
    assert RANGED[move](control, key, run(), mine, lease_seconds=LEASE) is None
    gates.resume(control, key)
    gates.close_circuit(control, key)
    assert RANGED[move](control, key, run(), mine, lease_seconds=LEASE) is not None


def test_gates_are_one_pipelines_own(control: Database, key: PipelineKey) -> None:
    """Another pipeline and another mapping of the same one go on."""
    other, mapping = PipelineKey(key.pipeline_id + "_b"), PipelineKey(key.pipeline_id, "m")
    for each in (key, other, mapping):
        add_hours(control, each, 1)
    pause(control, key)
    fail(control, key, 3)
    assert claim(control, other).pipeline_id == other.pipeline_id
    assert claim(control, mapping).mapping_name == "m"
    assert gates.gates(control, other) == gates.gates(control, mapping) == Gates()


def test_pause_before_the_first_window_stands(control: Database, key: PipelineKey) -> None:
    """Generation finds the pipeline's row and adds its windows, whose grid it may still choose."""
    made = pause(control, key)
    assert made is not None
    assert (made.paused_by, made.pause_reason) == ("ann", "it moves")
    assert add_hours(control, key, 2) == 2
    assert gates.gates(control, key) == made


def test_pause_names_who_since_when_and_why(control: Database, key: PipelineKey) -> None:
    """In a sentence that says what to type; nothing when the gates are open."""
    made = pause(control, key)
    assert made is not None
    assert made.explanation == (
        f"paused by ann since {made.paused_at:%Y-%m-%dT%H:%M:%SZ} "
        "because it moves; `pipeline resume` goes on."
    )
    gates.resume(control, key)
    assert gates.gates(control, key).explanation == ""


def test_first_pause_stands(control: Database, key: PipelineKey) -> None:
    """Whoever comes second changes neither name nor reason nor time."""
    first = pause(control, key)
    assert gates.pause(control, key, HOURLY, actor="bob", reason="me too") is None
    assert gates.gates(control, key) == first
    assert gates.resume(control, key)
    assert not gates.resume(control, key)


def test_held_window_goes_on_through_pause_and_circuit(control: Database, key: PipelineKey) -> None:
    """Its run takes it up again, renews and ends it."""
    add_hours(control, key, 1)
    record = claim(control, key)
    pause(control, key)
    fail(control, key, 3)
    again = claims.resume(control, key, run(), lease_seconds=LEASE)
    assert again is not None
    progress.renew(control, again.lock(), lease_seconds=LEASE)
    assert progress.release(control, again.lock(), "enough").id == record.id


def test_circuit_opens_at_the_threshold(control: Database, key: PipelineKey) -> None:
    """Two failures change nothing, the third holds claims back for the backoff."""
    add_hours(control, key, 1)
    noted = fail(control, key, 2)
    assert noted is not None
    assert (noted.circuit_failures, noted.circuit_until, noted.circuit_error) == (2, None, "no answer")
    claim(control, key, "a")
    opened = fail(control, key)
    with about(BACKOFF, control.now()) as close:
        assert opened is not None
        assert opened.circuit_open
        assert close(opened.circuit_until)


def test_wait_doubles_with_each_failed_proof_to_an_hour(control: Database, key: PipelineKey) -> None:
    """100, 200, 400 … seconds, never more than 3600."""
    add_hours(control, key, 1)
    fail(control, key, 2)
    for seconds in (100, 200, 400, 800, 1600, 3200, 3600, 3600):
        noted = fail(control, key)
        with about(seconds, control.now()) as close:
            assert noted is not None
            assert close(noted.circuit_until)
        let_time_pass(control, key)


def test_failures_of_runs_that_claimed_before_are_no_news(control: Database, key: PipelineKey) -> None:
    """One outage opens the circuit once: while it is open, neither number nor end changes."""
    add_hours(control, key, 1)
    opened = fail(control, key, 3)
    assert fail(control, key, 5) is None
    assert gates.gates(control, key) == opened


def test_success_closes_the_circuit(control: Database, key: PipelineKey) -> None:
    """And takes back failures that were noted before it opened."""
    add_hours(control, key, 1)
    for failures in (1, 3, 4):
        fail(control, key, failures)
        assert gates.close_circuit(control, key)
        assert gates.gates(control, key) == Gates()


def test_closed_circuit_is_not_written(control: Database, key: PipelineKey) -> None:
    """A success in good times costs the pipeline's row no new version, however late it comes."""
    add_hours(control, key, 1)
    text = "SELECT updated_at FROM pipelines WHERE pipeline_id = :id"
    before = by_hand(control, text, id=key.pipeline_id)
    assert not gates.close_circuit(control, key)
    assert control.run("close_circuit", **key.parameters) == []
    assert by_hand(control, text, id=key.pipeline_id) == before


def test_success_in_good_times_waits_for_no_writer(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """SQLite has one writer: who finds the circuit closed does not queue for its turn."""
    add_hours(control, key, 1)
    with Database(control_url, patience=0) as other, control.transaction() as transaction:
        transaction.run("lock_pipeline", **key.parameters)
        assert not gates.close_circuit(other, key)


def test_attempts_count_until_the_circuit_has_opened(control: Database, key: PipelineKey) -> None:
    """Three windows lose an attempt each; two that were claimed before and fail after lose none."""
    add_hours(control, key, 5)
    held = [claim(control, key, str(number)) for number in range(5)]
    failed = [unavailable(control, record) for record in held]
    assert [record.retry_attempt for record in failed] == [1, 1, 1, 0, 0]
    until = gates.gates(control, key).circuit_until
    assert until is not None
    assert all(record.not_before and record.not_before >= until for record in failed[3:])
    assert {record.pipeline_status for record in failed} == {Status.PENDING}


def test_last_attempt_is_not_burnt_by_an_outage(control: Database, key: PipelineKey) -> None:
    """With one attempt left a window is quarantined by a failure, but not while the circuit knows better."""
    add_hours(control, key, 2, max_attempts=1)
    before, after = claim(control, key, "a"), claim(control, key, "b")
    assert unavailable(control, before, threshold=1).pipeline_status is Status.FAILED
    assert unavailable(control, after, threshold=1).pipeline_status is Status.PENDING


def test_failed_proof_waits_beyond_the_new_end_of_the_circuit(control: Database, key: PipelineKey) -> None:
    """It counts no attempt; window and circuit wait twice as long as before."""
    add_hours(control, key, 1)
    fail(control, key, 3)
    let_time_pass(control, key)
    proof = unavailable(control, claim(control, key))
    until = gates.gates(control, key).circuit_until
    assert proof.retry_attempt == 0
    with about(2 * BACKOFF, control.now()) as close:
        assert close(until)
        assert close(proof.not_before)


def test_proof_comes_from_a_window_that_did_not_fail(control: Database, key: PipelineKey) -> None:
    """However long ago: the oldest that failed is taken only when it is the last one left."""
    add_hours(control, key, 2)
    fail(control, key, 3)
    let_time_pass(control, key)
    poison = unavailable(control, claim(control, key))
    let_time_pass(control, key)
    fresh = claim(control, key, "a")
    assert (poison.window, fresh.window) == (hour(0), hour(1))
    for take in (LINE["claim_oldest"], LINE["claim_newest"]):
        assert take(control, key, run("b"), lease_seconds=LEASE) is None
    last = LINE["claim_held_back"](control, key, run("b"), lease_seconds=LEASE)
    assert last is not None
    assert last.window == hour(0)


def test_poisonous_window_uses_up_its_own_attempts_in_the_end(control: Database, key: PipelineKey) -> None:
    """Nobody can ever load the first window: it is quarantined, and every other one is loaded."""
    add_hours(control, key, 8, max_attempts=3)
    outcomes = []
    for number in range(60):
        let_time_pass(control, key)
        record = LINE["claim_oldest"](control, key, run(str(number)), lease_seconds=LEASE) or LINE[
            "claim_held_back"
        ](control, key, run(str(number)), lease_seconds=LEASE)
        if record is None:
            break
        outcomes.append(record.window == hour(0))
        if record.window == hour(0):
            unavailable(control, record, threshold=1)
        else:
            progress.complete(control, record.lock(), "loaded")  # type: ignore[arg-type]
            gates.close_circuit(control, key)
    rows = by_hand(
        control,
        "SELECT pipeline_status FROM pipeline_records WHERE pipeline_id = :id ORDER BY window_start_time",
        id=key.pipeline_id,
    )
    assert [row["pipeline_status"] for row in rows][1:] == ["COMPLETED"] * 7
    assert len(outcomes) == 60 or rows[0]["pipeline_status"] == "FAILED"


def test_loser_of_a_window_says_nothing_to_the_circuit(control: Database, key: PipelineKey) -> None:
    """Its failure is no news of the window, nor of the pipeline."""
    add_hours(control, key, 1)
    record = claim(control, key)
    claims.resume(control, key, run(), lease_seconds=LEASE)
    with pytest.raises(LockLost):
        unavailable(control, record)
    assert gates.gates(control, key) == Gates()
    assert read(control, record.id).retry_attempt == 0


HALF = {
    "paused_at = '2001-01-01T00:00:00.000000Z'": "pipelines_pause",
    "paused_by = 'ann'": "pipelines_pause",
    "circuit_error = 'x'": "pipelines_circuit",
    "circuit_failures = 1": "pipelines_circuit",
    "circuit_until = '2001-01-01T00:00:00.000000Z'": "pipelines_circuit",
}


@pytest.mark.parametrize("change", HALF)
def test_half_a_gate_is_refused_by_the_table(control: Database, key: PipelineKey, change: str) -> None:
    """A pause has who, when and why; a circuit that waits has failures and their error."""
    add_hours(control, key, 1)
    sql = f"UPDATE pipelines SET {change} WHERE pipeline_id = '{key.pipeline_id}';"
    with control.transaction() as transaction, pytest.raises(Misuse, match=HALF[change]):
        transaction.script(sql)


@pytest.mark.parametrize("control_url", ["sqlite"], indirect=True)
def test_sqlite_keeps_one_form_of_times(key: PipelineKey, control: Database) -> None:
    """Shorter forms sort wrongly as text; PostgreSQL has a type for times."""
    add_hours(control, key, 1)
    pause(control, key)
    fail(control, key, 3)
    for column in ("paused_at", "circuit_until"):
        sql = f"UPDATE pipelines SET {column} = '2001-01-01' WHERE pipeline_id = '{key.pipeline_id}';"
        with control.transaction() as transaction, pytest.raises(Misuse, match=f"pipelines_{column}"):
            transaction.script(sql)


def test_gate_is_read_with_its_times_in_utc(control: Database, key: PipelineKey) -> None:
    """On both databases alike."""
    add_hours(control, key, 1)
    opened = fail(control, key, 3)
    assert opened is not None
    assert opened.circuit_until is not None
    assert opened.circuit_until.utcoffset() == timedelta(0)
    assert opened.explanation.startswith(
        f"the circuit is open until {opened.circuit_until:%Y-%m-%dT%H:%M:%SZ}: 3 attempts in a row"
    )

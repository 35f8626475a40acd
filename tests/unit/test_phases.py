"""The story of a window: markers, resumption, and what each error does to it."""

from types import ModuleType

import pytest

from pipeline_framework import attempts, phases
from pipeline_framework.control_table import Holder, claims, decisions
from pipeline_framework.errors import (
    BadData,
    CountsMatch,
    Fenced,
    IntegrityViolation,
    LockConflict,
    LockLost,
    Misuse,
    StageElsewhere,
    StageLost,
    TransferFailed,
    Unavailable,
    Uncounted,
)
from pipeline_framework.interfaces import Loaded, Lock
from pipeline_framework.locking import store_and_validate
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import window
from pipeline_framework.transfers.functions import REQUIRED, FunctionsTransfer
from tests.services.control import age_leases
from tests.unit.conftest import NOW, ScriptedTransfer

FIRST = "2013-01-01"
STEPS = (phases.pre_validation, phases.source_to_stage, phases.stage_to_target, phases.audit)


def story(pipeline: Pipeline, lock: Lock) -> Lock:
    """Every step in order."""
    for step in STEPS:
        lock = attempts.carry_out(pipeline, lock, step)
    return lock


def columns(pipeline: Pipeline, *names: str) -> tuple[object, ...]:
    """Columns of the first window."""
    record = window(pipeline, FIRST)
    return tuple(getattr(record, name) for name in names)


@pytest.fixture
def lock(scripted: Pipeline) -> Lock:
    """The first window, locked."""
    return store_and_validate(scripted, NOW)


def test_bad_rows_are_known_after_the_audit(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """How many, and where they lie; the window is complete without them."""
    transfer.bad = 3
    story(scripted, lock)
    status, detail = columns(scripted, "pipeline_status", "audit_detail")
    assert status == "COMPLETED"
    assert isinstance(detail, dict)
    assert (detail["bad"], detail["bad_rows_in"]) == (3, f"window/{lock.epoch}/bad-00000.jsonl")


def test_a_window_goes_through_its_phases_once(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """Counted, staged, loaded, audited; every fact is in the row."""
    story(scripted, lock)
    assert transfer.calls.count("source_to_stage") == transfer.calls.count("stage_to_target") == 1
    found = columns(
        scripted, "pipeline_status", "audit_result", "phase_completed", "source_count", "target_count"
    )
    assert found == ("COMPLETED", "loaded", "AUDIT", 10, 10)
    assert columns(scripted, "count_difference", "retry_attempt") == (0, 0)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_crashed_run_goes_on_at_the_first_unfinished_phase(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer, done: int
) -> None:
    """Phases that left their marker are not repeated when the window is taken up again."""
    for step in STEPS[:done]:
        lock = attempts.carry_out(scripted, lock, step)
    story(scripted, phases.take_up(scripted))
    assert transfer.calls.count("source_to_stage") == transfer.calls.count("stage_to_target") == 1
    assert columns(scripted, "audit_result") == ("loaded",)


@pytest.mark.parametrize(
    ("source", "target", "ledger", "result"),
    [
        (0, 0, None, "empty"),
        (10, 10, None, "already_present"),
        (10, 10, Loaded(1, "me", 10), "loaded"),
    ],
)
def test_equal_counts_complete_an_untouched_window(
    scripted: Pipeline,
    lock: Lock,
    transfer: ScriptedTransfer,
    source: int,
    target: int,
    ledger: Loaded | None,
    result: str,
) -> None:
    """Nothing is moved, and how it came to be equal stays distinguishable."""
    transfer.source, transfer.target, transfer.ledger = source, target, ledger
    with pytest.raises(CountsMatch, match="nothing was moved"):
        attempts.carry_out(scripted, lock, phases.pre_validation)
    assert columns(scripted, "pipeline_status", "audit_result") == ("COMPLETED", result)
    assert "source_to_stage" not in transfer.calls


def test_equal_counts_are_not_trusted_when_told_so(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """With trust_existing off a window without a ledger row is moved."""
    scripted.config = scripted.config.model_copy(update={"trust_existing": False})
    transfer.target = 10
    phases.pre_validation(scripted, lock)
    assert columns(scripted, "pipeline_status") == ("IN_PROGRESS",)


def test_a_reopened_window_is_moved_though_counts_match(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """Somebody had a reason."""
    story(scripted, lock)
    first = window(scripted, FIRST).window
    decisions.reopen(
        scripted.database,
        scripted.key,
        first=first.start,
        last=first.end,
        actor="me",
        reason="values were wrong",
    )
    again = store_and_validate(scripted, NOW)
    assert again.record_id == lock.record_id
    story(scripted, again)
    assert transfer.calls.count("source_to_stage") == 2
    assert columns(scripted, "audit_result", "pipeline_status") == ("loaded", "COMPLETED")


def test_a_lost_stage_is_staged_again_once(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """Under a new epoch, and without an attempt counted."""
    transfer.faults["stage_to_target"] = [StageLost("gone")]
    story(scripted, lock)
    assert transfer.calls.count("source_to_stage") == 2
    assert columns(scripted, "audit_result", "retry_attempt") == ("loaded", 0)
    assert columns(scripted, "stage_epoch")[0] != lock.epoch


def test_a_stage_lost_twice_is_an_error(scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer) -> None:
    """An attempt is counted on the window as it is by then, and the lock is let go."""
    transfer.faults["stage_to_target"] = [StageLost("gone"), StageLost("gone again")]
    with pytest.raises(StageLost, match="gone again"):
        story(scripted, lock)
    assert columns(scripted, "pipeline_status", "retry_attempt", "last_error") == ("PENDING", 1, "gone again")


def test_lost_rows_are_an_integrity_violation(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """The window is marked mismatch with the explanation, and the next attempt loads it whole."""
    transfer.lost = 3
    with pytest.raises(IntegrityViolation, match="3 of 10 rows were lost between stage and target"):
        story(scripted, lock)
    found = columns(scripted, "pipeline_status", "audit_result", "retry_attempt", "phase_completed")
    assert found == ("PENDING", "mismatch", 1, None)
    assert columns(scripted, "source_count", "target_count", "count_difference") == (10, 7, 3)
    transfer.lost = 0
    transfer.target = 10
    story(scripted, store_and_validate(scripted, NOW))
    assert transfer.calls.count("source_to_stage") == 2
    assert columns(scripted, "audit_result", "last_error") == ("loaded", None)


def test_functions_are_audited_by_what_the_source_has_now(scripted: Pipeline, lock: Lock) -> None:
    """A mismatch that counted none there is nothing that a later load, which has no count, believes."""
    rows = {"source": 0, "target": 5}
    module = ModuleType("made")
    vars(module).update(
        dict.fromkeys(REQUIRED, lambda *_: None),
        get_source_count=lambda *_: rows["source"],
        get_target_count=lambda *_: rows["target"],
    )
    scripted.transfer = FunctionsTransfer(module, {})
    with pytest.raises(IntegrityViolation, match="5"):
        story(scripted, lock)
    rows |= {"source": 1200, "target": 1200}
    story(scripted, store_and_validate(scripted, NOW))
    assert columns(scripted, "audit_result", "source_count", "target_count") == ("loaded", 1200, 1200)


def test_a_count_that_fails_keeps_the_window(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """A process failure is no mismatch: the markers stay and the audit alone is tried again."""
    transfer.faults["target_count"] = []
    for step in STEPS[:3]:
        lock = attempts.carry_out(scripted, lock, step)
    transfer.faults["target_count"] = [BadData("no such table")]
    with pytest.raises(Uncounted, match="no such table"):
        attempts.carry_out(scripted, lock, phases.audit)
    assert columns(scripted, "audit_result", "phase_completed") == (None, "STAGE_TO_TARGET")
    story(scripted, store_and_validate(scripted, NOW))
    assert transfer.calls.count("stage_to_target") == 1
    assert columns(scripted, "audit_result") == ("loaded",)


def test_a_login_refused_at_the_audit_counts_no_attempt(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """As before the load: only a person can put it right, and then the audit alone is left to do."""
    for step in STEPS[:3]:
        lock = attempts.carry_out(scripted, lock, step)
    transfer.faults["source_count"] = [Misuse("source refuses the login")]
    with pytest.raises(Misuse, match="refuses the login"):
        attempts.carry_out(scripted, lock, phases.audit)
    assert columns(scripted, "pipeline_status", "retry_attempt") == ("PENDING", 0)
    story(scripted, store_and_validate(scripted, NOW))
    assert transfer.calls.count("stage_to_target") == 1
    assert columns(scripted, "audit_result") == ("loaded",)


@pytest.mark.parametrize(
    "error", [BadData("odd column"), Unavailable("down"), ValueError("what"), OSError("disk")]
)
def test_an_error_counts_one_attempt_and_lets_go(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer, error: Exception
) -> None:
    """Whatever a connector raises, the window is free again and says why."""
    transfer.faults["source_to_stage"] = [error]
    expected = type(error) if isinstance(error, BadData | Unavailable) else TransferFailed
    with pytest.raises(expected, match=str(error)):
        story(scripted, lock)
    status, tried, said = columns(scripted, "pipeline_status", "retry_attempt", "last_error")
    assert (status, tried) == ("PENDING", 1)
    assert str(error) in str(said)


def test_attempts_end_in_quarantine(scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer) -> None:
    """After max_attempts the window is FAILED and others go on."""
    transfer.faults["source_to_stage"] = [BadData("odd"), BadData("odd")]
    for taken in (lock, None):
        with pytest.raises(BadData):
            story(scripted, taken or store_and_validate(scripted, NOW))
    assert columns(scripted, "pipeline_status") == ("FAILED",)
    assert store_and_validate(scripted, NOW).record_id != lock.record_id


def test_a_try_that_will_be_repeated_parks(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """A transient error that Airflow tries again keeps the lock and counts no attempt."""
    transfer.faults["source_to_stage"] = [Unavailable("down")]
    with pytest.raises(Unavailable):
        attempts.carry_out(scripted, lock, phases.source_to_stage, retry_in=300)
    status, tried, lease = columns(scripted, "pipeline_status", "retry_attempt", "lease_expires_at")
    assert (status, tried) == ("IN_PROGRESS", 0)
    assert (lease - scripted.database.now()).total_seconds() > 300  # type: ignore[operator]


def test_a_terminal_error_does_not_wait_for_the_next_try(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """It would fail again in the same way."""
    transfer.faults["source_to_stage"] = [BadData("odd")]
    with pytest.raises(BadData):
        attempts.carry_out(scripted, lock, phases.source_to_stage, retry_in=300)
    assert columns(scripted, "pipeline_status", "retry_attempt") == ("PENDING", 1)


def test_a_stage_elsewhere_is_no_fault_of_the_window(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """It counts no attempt and keeps the marker."""
    lock = attempts.carry_out(scripted, lock, phases.source_to_stage)
    transfer.faults["stage_to_target"] = [StageElsewhere("on another host")]
    with pytest.raises(StageElsewhere):
        attempts.carry_out(scripted, lock, phases.stage_to_target)
    found = columns(scripted, "pipeline_status", "retry_attempt", "phase_completed")
    assert found == ("PENDING", 0, "SOURCE_TO_STAGE")


def test_an_interrupted_run_puts_its_window_back(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer
) -> None:
    """Ctrl-C is no failure: no attempt is counted and nothing stays locked."""
    transfer.faults["source_to_stage"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        attempts.carry_out(scripted, lock, phases.source_to_stage)
    assert columns(scripted, "pipeline_status", "retry_attempt") == ("PENDING", 0)


class Killed(BaseException):
    """What SIGKILL does: nobody gets to say anything."""


@pytest.mark.parametrize("step", ["source_count", "source_to_stage", "stage_to_target"])
def test_a_window_that_kills_its_process_ends_in_quarantine(
    scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer, step: str
) -> None:
    """Wherever it happens, each death counts an attempt, so that the oldest window blocks nobody for ever."""
    transfer.faults[step] = [Killed(), Killed()]
    with pytest.raises(Killed):
        story(scripted, lock)
    for _ in range(2):
        age_leases(scripted.database, scripted.key)
        taken = store_and_validate(scripted, NOW)
        if taken.record_id == lock.record_id:
            with pytest.raises(Killed):
                story(scripted, taken)
    assert columns(scripted, "pipeline_status", "retry_attempt") == ("FAILED", 2)


def test_an_earlier_try_is_fenced_off(scripted: Pipeline, lock: Lock, transfer: ScriptedTransfer) -> None:
    """Once the window is taken up anew, the old lock moves nothing, not even to failed."""
    newer = phases.take_up(scripted)
    with pytest.raises(LockLost):
        attempts.carry_out(scripted, lock, phases.source_to_stage)
    assert columns(scripted, "lock_epoch", "pipeline_status") == (newer.epoch, "IN_PROGRESS")
    transfer.faults["source_to_stage"] = [Fenced("newer epoch in the stage")]
    with pytest.raises(Fenced):
        attempts.carry_out(scripted, newer, phases.source_to_stage)
    assert columns(scripted, "retry_attempt") == (0,)


def test_without_a_lock_there_is_nothing_to_take_up(scripted: Pipeline) -> None:
    """The message says which task comes first."""
    with pytest.raises(LockConflict, match="store_and_validate"):
        phases.take_up(scripted)


def test_another_run_cannot_take_the_window(scripted: Pipeline, lock: Lock) -> None:
    """A claim goes past a held window."""
    other = store_and_validate(Pipeline(scripted.config, scripted.database, other_holder(scripted)), NOW)
    assert other.record_id != lock.record_id
    assert claims.resume(scripted.database, scripted.key, scripted.holder, lease_seconds=90) is not None


def other_holder(pipeline: Pipeline) -> Holder:
    """Somebody else."""
    return Holder("", "another run", 0, "another owner", 90)

"""What an attempt's end means to the circuit of its pipeline."""

import pytest

from pipeline_framework import attempts, phases
from pipeline_framework.control_table import Holder, gates
from pipeline_framework.control_table.gates import Gates
from pipeline_framework.errors import BadData, CountsMatch, NothingPending, PipelineError, Unavailable
from pipeline_framework.locking import store_and_validate
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import windows
from tests.unit.conftest import NOW, ScriptedTransfer

STEPS = (phases.pre_validation, phases.source_to_stage, phases.stage_to_target, phases.audit)


def run(pipeline: Pipeline, name: str = "run", retry_in: float | None = None) -> PipelineError | None:
    """Take a window through every step as a run of that name; the error that stopped it."""
    pipeline.holder = Holder("", name, 0, name, 90)
    lock = store_and_validate(pipeline, NOW)
    try:
        for step in STEPS:
            lock = attempts.carry_out(pipeline, lock, step, retry_in=retry_in)
    except PipelineError as error:
        return error
    return None


def noted(pipeline: Pipeline) -> Gates:
    return gates.gates(pipeline.database, pipeline.key)


def waiting_long(pipeline: Pipeline, **keys: object) -> Pipeline:
    """The pipeline with waits of ten minutes, and other keys as given."""
    pipeline.config = pipeline.config.model_copy(update={"backoff_seconds": 600.0, **keys})
    return pipeline


def test_three_attempts_in_a_row_stop_the_pipeline(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """Whatever their windows; the next run is told why there is none."""
    waiting_long(scripted)
    transfer.faults["source_to_stage"] = [Unavailable("down") for _ in range(3)]
    for name in "abc":
        assert isinstance(run(scripted, name), Unavailable)
    with pytest.raises(NothingPending, match=r"the circuit is open until .* 3 attempts in a row .*\(down\)"):
        run(scripted, "d")


def test_window_that_ends_well_closes_the_circuit(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """Two failures and a success are no outage."""
    transfer.faults["source_to_stage"] = [Unavailable("down"), Unavailable("down")]
    for name in "ab":
        run(scripted, name)
    assert noted(scripted).circuit_failures == 2
    assert run(scripted, "c") is None
    assert noted(scripted) == Gates()


def test_equal_counts_close_the_circuit_too(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """Source and target answered, though nothing was moved."""
    transfer.faults["source_count"] = [Unavailable("down")]
    run(scripted, "a")
    transfer.source = transfer.target = 0
    assert isinstance(run(scripted, "b"), CountsMatch)
    assert noted(scripted) == Gates()


@pytest.mark.parametrize(
    ("fault", "counts"),
    [(Unavailable("down"), 1), (BadData("no such table"), 0), (ValueError("what"), 0)],
)
def test_audit_that_cannot_count_tells_the_circuit_why(
    scripted: Pipeline, transfer: ScriptedTransfer, fault: Exception, counts: int
) -> None:
    """A target that does not answer is an outage in the audit as well; other reasons are not."""
    transfer.faults["target_count"] = []
    original = transfer.stage_to_target

    def loads_then_breaks(lock: object) -> object:
        transfer.faults["target_count"] = [fault]
        return original(lock)  # type: ignore[arg-type]

    transfer.stage_to_target = loads_then_breaks  # type: ignore[method-assign, assignment]
    assert run(scripted) is not None
    assert noted(scripted).circuit_failures == counts


@pytest.mark.parametrize("fault", [BadData("odd"), ValueError("what")])
def test_other_errors_say_nothing_to_the_circuit(
    scripted: Pipeline, transfer: ScriptedTransfer, fault: Exception
) -> None:
    """They neither count nor take away what was counted."""
    transfer.faults["source_to_stage"] = [Unavailable("down"), fault]
    run(scripted, "a")
    run(scripted, "b")
    assert noted(scripted).circuit_failures == 1


def test_try_that_airflow_repeats_is_no_attempt_yet(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """The lock is parked for it, and the circuit hears nothing."""
    transfer.faults["source_to_stage"] = [Unavailable("down")]
    run(scripted, retry_in=60)
    assert noted(scripted) == Gates()
    assert next(windows(scripted)).pipeline_status == "IN_PROGRESS"


def test_circuit_may_be_switched_off(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """With 0 every attempt counts, whatever happens."""
    waiting_long(scripted, circuit_failures=0)
    transfer.faults["source_to_stage"] = [Unavailable("down") for _ in range(5)]
    for name in "abcde":
        assert isinstance(run(scripted, name), Unavailable)
    assert noted(scripted) == Gates()
    assert sum(record.retry_attempt for record in windows(scripted)) == 5


def test_outage_burns_no_attempt_once_it_is_known(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """However often proof fails: three attempts are gone, those that opened the circuit."""
    scripted.config = scripted.config.model_copy(update={"backoff_seconds": 0.0, "max_attempts": 3})
    transfer.faults["source_to_stage"] = [Unavailable("down") for _ in range(30)]
    for number in range(30):
        assert isinstance(run(scripted, str(number)), Unavailable)
    assert sum(record.retry_attempt for record in windows(scripted)) == 3
    assert noted(scripted).circuit_failures == 30
    assert run(scripted, "then") is None


def test_circuit_that_cannot_be_closed_fails_no_window(
    scripted: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The window is done by then; the next one closes it."""

    def broken(*_: object) -> bool:
        raise Unavailable("control database is gone")

    monkeypatch.setattr(phases, "close_circuit", broken)
    assert run(scripted) is None
    assert next(windows(scripted)).pipeline_status == "COMPLETED"

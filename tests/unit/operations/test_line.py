"""The line that slots stand at, and slots side by side, on a transfer that does as it is told."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_framework.control_table import Record, claims, gates
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import BadData, LockLost, Misuse, NothingPending, Unavailable
from pipeline_framework.generation import OLDEST, Choice
from pipeline_framework.interfaces import Lock, Manifest
from pipeline_framework.operations.line import EVERYTHING, Budget, Line, beyond
from pipeline_framework.operations.locks import clear
from pipeline_framework.operations.outcome import Outcome
from pipeline_framework.operations.run import budget_of, prepare, run_side_by_side, run_some
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import windows
from pipeline_framework.windows import Window
from tests.services.control import by_hand
from tests.unit.conftest import NOW, ScriptedTransfer


@pytest.fixture
def slots(scripted: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The pipeline, whose slots get a scripted transfer of their own."""

    def slot(number: int) -> Pipeline:
        other = Pipeline(scripted.config, scripted.database, replace(scripted.holder, run_slot=number))
        other.transfer = scripted.transfer if number == 0 else ScriptedTransfer()
        return other

    monkeypatch.setattr(scripted, "slot", slot)
    return scripted


def rows(pipeline: Pipeline) -> list[Record]:
    """Every window."""
    return list(windows(pipeline))


def test_one_claim_at_a_time(scripted: Pipeline) -> None:
    """Slots that come together wait for each other, and each goes on behind the window before."""
    asked, at_once = list[Choice](), threading.Semaphore(1)
    hour = timedelta(hours=1)

    def claim(slot: Pipeline, rest: Choice) -> Lock:
        assert at_once.acquire(blocking=False)
        time.sleep(0.02)
        asked.append(rest)
        at_once.release()
        start = rest.first or NOW
        return Lock(1, "p", "", Window(start, start + hour), 1, "o", {})

    line = Line(claim)
    threads = [threading.Thread(target=line.lock, args=(scripted,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [choice.first for choice in asked] == [None, NOW + hour, NOW + 2 * hour, NOW + 3 * hour]
    assert line.handed_out == 4


def test_closing_waits_for_the_claim_under_way(scripted: Pipeline) -> None:
    """So that whoever stops a run knows every window that it holds; after that there is none."""
    begun, hold = threading.Event(), threading.Event()

    def claim(slot: Pipeline, rest: Choice) -> Lock:
        begun.set()
        hold.wait(5)
        return Lock(1, "p", "", Window(NOW, NOW + timedelta(hours=1)), 1, "o", {})

    line = Line(claim)
    thread = threading.Thread(target=line.lock, args=(scripted,))
    thread.start()
    assert begun.wait(5)
    threading.Timer(0.1, hold.set).start()
    line.close("enough.")
    assert line.handed_out == 1
    with pytest.raises(NothingPending, match=r"enough\."):
        line.lock(scripted)
    thread.join()


def test_newest_first_goes_on_before_the_last_window() -> None:
    """What is left of a choice, from either end."""
    taken = Window(NOW, NOW + timedelta(hours=1))
    assert beyond(OLDEST, taken) == Choice(first=taken.end)
    assert beyond(Choice(newest_first=True), taken) == Choice(newest_first=True, last=taken.start)


def test_a_budget_of_windows_ends_a_run(scripted: Pipeline) -> None:
    """As many as it says, and fewer when no more are ready; the time ends it after the first."""
    assert len(list(run_some(scripted, NOW, Budget(3)))) == 3
    assert len(list(run_some(scripted, NOW, Budget(5, seconds=1e-6)))) == 1
    assert len(list(run_some(scripted, NOW))) == 8
    with pytest.raises(NothingPending):
        list(run_some(scripted, NOW))


def test_the_configuration_says_how_many(scripted: Pipeline) -> None:
    """One window unless told, however long it takes."""
    assert budget_of(scripted) == Budget(1, None)


def test_a_chosen_window_is_run_alone(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """Whatever the budget allows, and not again when it fails."""
    transfer.faults["source_to_stage"] = [BadData("no")]
    chosen = Choice(window_start=NOW - timedelta(hours=5))
    assert len(list(run_some(scripted, NOW, Budget(4), chosen))) == 1


def test_a_window_kept_for_the_next_try_ends_the_run(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """The slot holds it, parked, for the same run's repetition, and takes no other."""
    transfer.faults["source_to_stage"] = [Unavailable("not now")]
    (outcome,) = run_some(scripted, NOW, Budget(3), retry_in=60)
    assert outcome.held
    assert [row.pipeline_status for row in rows(scripted)].count(Status.IN_PROGRESS) == 1


def test_a_window_that_another_run_took_meanwhile_ends_nothing(
    scripted: Pipeline, transfer: ScriptedTransfer
) -> None:
    """It is held, but by somebody else: the run goes on with the next ones."""

    def taken(lock: Lock) -> Manifest:
        clear(scripted, lock.record_id, actor="a person", reason="it hangs", only_stale=False)
        other = Pipeline(scripted.config, scripted.database, replace(scripted.holder, dag_run_id="other"))
        claims.claim_window(
            other.database, other.key, other.holder, window_start=lock.window.start, lease_seconds=90
        )
        raise LockLost("taken")

    transfer.source_to_stage = taken  # type: ignore[method-assign]
    runs = run_some(scripted, NOW, retry_in=60)
    assert not next(runs).held
    del transfer.source_to_stage
    assert [outcome.done for outcome in runs] == [True] * 11


def test_windows_passed_by_are_run_in_the_end(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """A circuit takes its proof from a window that did not fail; once it is closed those that did are due."""
    transfer.faults["source_to_stage"] = [Unavailable("down")] * 3
    assert not any(outcome.done for outcome in run_some(scripted, NOW, Budget(3)))
    gates.note_unavailable(scripted.database, scripted.key, "down", threshold=3, backoff_seconds=0)
    starts = [outcome.record.window_start_time.hour for outcome in run_some(scripted, NOW)]
    assert starts == [*range(3, 12), 0, 1, 2]


def test_a_window_that_fails_without_a_wait_is_not_run_again_in_the_end(
    scripted: Pipeline, transfer: ScriptedTransfer
) -> None:
    """What lies before all that were handed out is looked at; nothing that was."""
    chosen = Choice(first=NOW - timedelta(hours=4))
    transfer.faults["source_to_stage"] = [BadData("no")] * 4
    outcomes = list(run_some(scripted, NOW, EVERYTHING, chosen))
    assert [outcome.record.window_start_time.hour for outcome in outcomes] == [8, 9, 10, 11]


@pytest.mark.parametrize("slots_", [1, 2])
def test_a_run_seals_finished_days(slots: Pipeline, slots_: int) -> None:
    """All but the newest, however many slots it has, so that generation and reports pass them by."""
    late, later = NOW + timedelta(days=1), "2013-01-03"
    slots.config = slots.config.model_copy(update={"end": slots.config.instant(later, "end")})
    if slots_ == 1:
        list(run_some(slots, late))
    else:
        prepare(slots, late, 2)
        list(run_side_by_side(slots, late, 2))
    query = "SELECT windows FROM pipeline_coverage WHERE pipeline_id = :pipeline_id"
    sealed = by_hand(slots.database, query, pipeline_id=slots.key.pipeline_id)
    assert [row["windows"] for row in sealed] == [24]


def test_a_failed_window_runs_once_and_others_go_on(scripted: Pipeline, transfer: ScriptedTransfer) -> None:
    """Also without any backoff."""
    transfer.faults["source_to_stage"] = [BadData("no")]
    outcomes = list(run_some(scripted, NOW))
    assert [outcome.done for outcome in outcomes] == [False] + [True] * 11


def test_results_of_all_slots_come(slots: Pipeline) -> None:
    """Each window once, by two slots."""
    prepare(slots, NOW, 2)
    outcomes = list(run_side_by_side(slots, NOW, 2))
    assert len({outcome.record.id for outcome in outcomes}) == len(outcomes) == 12
    assert all(outcome.done for outcome in outcomes)


def test_an_unexpected_error_stops_the_slots_and_is_raised(
    slots: Pipeline, transfer: ScriptedTransfer
) -> None:
    """The results of the others come first; nothing stays locked."""
    transfer.faults["source_count"] = [Misuse("the table is not there.")]
    prepare(slots, NOW, 2)
    told = list[Outcome]()
    with pytest.raises(Misuse, match="the table is not there"):
        told.extend(run_side_by_side(slots, NOW, 2))
    assert {str(row.pipeline_status) for row in rows(slots)} <= {"COMPLETED", "PENDING"}


def test_whoever_stops_listening_gets_every_window_put_back(
    slots: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the terminal is closed after the first result: slots that work on are fenced off."""
    hold, quick = threading.Event(), threading.Semaphore(1)

    def slow(transfer: ScriptedTransfer, lock: Lock) -> Manifest:
        if not quick.acquire(blocking=False):
            hold.wait(20)
        return staged(transfer, lock)

    staged = ScriptedTransfer.source_to_stage
    monkeypatch.setattr(ScriptedTransfer, "source_to_stage", slow)
    # A window that nobody has staged is not there yet, whatever another slot has loaded.
    monkeypatch.setattr(
        ScriptedTransfer, "target_count", lambda _, lock: 10 if lock.columns["phase_completed"] else 0
    )
    prepare(slots, NOW, 2)
    outcomes = run_side_by_side(slots, NOW, 2)
    assert next(outcomes).done
    outcomes.close()
    after = rows(slots)
    hold.set()
    assert [str(row.pipeline_status) for row in after].count("COMPLETED") == 1
    assert {str(row.pipeline_status) for row in after} == {"COMPLETED", "PENDING"}
    assert "interrupt_run" in {row.move_name for row in after}
    assert {row.retry_attempt for row in after} == {0}

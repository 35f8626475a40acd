"""The DAG on a real scheduler: state of run and tasks, the control table's row and the target's rows."""

import os
import signal

import pytest

from pipeline_framework.control_table import Record
from tests.airflow_provider.real_airflow import TASKS, RealAirflow, Run, until
from tests.airflow_provider.scenario import HOURS, Scenario, hour, rows_of

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.services,
    pytest.mark.slow,
]
ALL_WELL = dict.fromkeys(TASKS, "success")


def stopped(at: str, state: str, after: str) -> dict[str, str]:
    """Every task's state when one ends as `state` and those behind it as `after`; cleanup always runs."""
    place = TASKS.index(at)
    states = {name: "success" if number < place else after for number, name in enumerate(TASKS)}
    return states | {at: state, "cleanup_stale_locks": "success"}


def in_progress(scenario: Scenario) -> list[Record]:
    """Windows that a run holds."""
    return [record for record in scenario.records() if record.pipeline_status == "IN_PROGRESS"]


def loading(scenario: Scenario, windows: int = 1) -> list[tuple[Record, int]]:
    """The held windows with the processes that load them, once there are so many."""

    def seen() -> list[tuple[Record, int]]:
        held = [(record, scenario.loader(record.id)) for record in in_progress(scenario)]
        found = [(record, process) for record, process in held if process]
        return found if len(found) == windows else []

    found: list[tuple[Record, int]] = until(seen, f"{windows} loads of {scenario.name}")
    return found


def killed_while_loading(scenario: Scenario, run: Run) -> Record:
    """The window whose task process was ended by SIGKILL in stage_to_target of that run."""
    ((record, process),) = loading(scenario)
    scenario.get_out_of("hang")
    os.kill(process, signal.SIGKILL)
    assert record.dag_run_id == run.run_id
    return record


def test_a_run_moves_one_window(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """The shipped DAG at its first tick: seven tasks succeed, the oldest window is loaded."""
    run = airflow.first_tick("data_pipeline_main")
    assert run.ended() == "success"
    assert run.tasks() == ALL_WELL
    first, *others = scenarios["main"].records()
    assert (first.window_start_time, first.audit_result, first.dag_run_id) == (hour(0), "loaded", run.run_id)
    assert [record.pipeline_status for record in others] == ["PENDING"] * (HOURS - 1)
    assert scenarios["main"].target() == {0: rows_of(0)}
    assert run.xcom("store_and_validate")["record_id"] == first.id


def test_nothing_pending_is_a_success(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """No window is ready: store_and_validate skips with the reason, cleanup runs, the run is well."""
    run = airflow.trigger(scenarios["idle"].dag_id)
    assert run.ended() == "success"
    assert run.tasks() == stopped("store_and_validate", "skipped", "skipped")
    assert "no window is ready" in run.log("store_and_validate")
    assert scenarios["idle"].records() == []


def test_equal_counts_are_not_moved(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """Rows that are in the target already complete the window as already_present; nothing is read."""
    scenario = scenarios["present"]
    scenario.load_by_other_hands(0)
    run = airflow.trigger(scenario.dag_id)
    assert run.ended() == "success"
    assert run.tasks() == stopped("pre_validation", "skipped", "skipped")
    first = scenario.records()[0]
    assert (first.pipeline_status, first.audit_result) == ("COMPLETED", "already_present")
    assert (scenario.readings(), scenario.target()) == (0, {0: rows_of(0)})


def test_a_source_that_is_down_is_tried_again(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """A transient error uses up Airflow's tries, counts one attempt and puts the window back."""
    scenario = scenarios["unavailable"]
    scenario.get_into("unavailable")
    run = airflow.trigger(scenario.dag_id)
    assert run.ended() == "failed"
    assert run.tasks() == stopped("source_to_stage", "failed", "upstream_failed")
    assert run.tries("source_to_stage") == 2
    first = scenario.records()[0]
    assert (first.pipeline_status, first.retry_attempt) == ("PENDING", 1)
    assert first.last_error is not None
    assert "the source is down" in first.last_error
    assert scenario.target() == {}


def test_bad_data_is_not_tried_again(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """A terminal error fails the task at once, counts one attempt and puts the window back."""
    scenario = scenarios["bad"]
    scenario.get_into("bad")
    run = airflow.trigger(scenario.dag_id)
    assert run.ended() == "failed"
    assert run.tries("source_to_stage") == 1
    first = scenario.records()[0]
    assert (first.pipeline_status, first.retry_attempt, scenario.readings()) == ("PENDING", 1, 1)


def test_a_mismatch_fails_the_run_and_the_next_one_repairs_it(
    airflow: RealAirflow, scenarios: dict[str, Scenario]
) -> None:
    """Cleanup ran and cannot hide the failed audit; the next run replaces the window exactly."""
    scenario = scenarios["leaking"]
    scenario.get_into("leak")
    run = airflow.trigger(scenario.dag_id)
    assert run.ended() == "failed"
    assert run.tasks() == stopped("audit", "failed", "upstream_failed")
    first = scenario.records()[0]
    assert (first.pipeline_status, first.audit_result, first.retry_attempt) == ("PENDING", "mismatch", 1)
    assert (first.target_count, scenario.target()) == (rows_of(0) - 1, {0: rows_of(0) - 1})
    scenario.get_out_of("leak")
    again = airflow.trigger(scenario.dag_id)
    assert (again.ended(), again.tasks()) == ("success", ALL_WELL)
    assert (scenario.records()[0].audit_result, scenario.target()) == ("loaded", {0: rows_of(0)})


def test_a_killed_worker_is_resumed_by_the_next_run(
    airflow: RealAirflow, scenarios: dict[str, Scenario]
) -> None:
    """SIGKILL in stage_to_target: the next run starts there, reads nothing again, and the rows are exact."""
    scenario = scenarios["killed"]
    scenario.get_into("hang")
    run = airflow.trigger(scenario.dag_id)
    staged = killed_while_loading(scenario, run)
    assert run.ended() == "failed"
    assert run.tasks() == stopped("stage_to_target", "failed", "upstream_failed")
    put_back = scenario.records()[0]
    assert (put_back.pipeline_status, put_back.phase_completed) == ("PENDING", "SOURCE_TO_STAGE")
    assert put_back.retry_attempt == 1
    again = airflow.trigger(scenario.dag_id)
    assert (again.ended(), again.tasks()) == ("success", ALL_WELL)
    done = scenario.records()[0]
    assert (done.audit_result, done.stage_epoch) == ("loaded", staged.stage_epoch)
    assert (scenario.readings(), scenario.target()) == (1, {0: rows_of(0)})


def test_a_killed_worker_is_resumed_by_the_same_run(
    airflow: RealAirflow, scenarios: dict[str, Scenario]
) -> None:
    """Where Airflow tries the task again, it goes on under a new epoch and no attempt is counted."""
    scenario = scenarios["killed_and_retried"]
    scenario.get_into("hang")
    run = airflow.trigger(scenario.dag_id)
    killed = killed_while_loading(scenario, run)
    assert (run.ended(), run.tasks()) == ("success", ALL_WELL)
    assert run.tries("stage_to_target") == 2
    done = scenario.records()[0]
    assert (done.audit_result, done.retry_attempt) == ("loaded", 0)
    assert done.lock_epoch > killed.lock_epoch
    assert (scenario.readings(), scenario.target()) == (1, {0: rows_of(0)})


def test_two_runs_at_once_take_different_windows(
    airflow: RealAirflow, scenarios: dict[str, Scenario]
) -> None:
    """Both hold a window at the same time, neither the other's, and both are loaded exactly."""
    scenario = scenarios["together"]
    scenario.get_into("hang")
    runs = [airflow.trigger(scenario.dag_id) for _ in range(2)]
    held = [record for record, _ in loading(scenario, windows=2)]
    scenario.get_out_of("hang")
    assert {record.dag_run_id for record in held} == {run.run_id for run in runs}
    assert [record.window_start_time for record in held] == [hour(0), hour(1)]
    assert [run.ended() for run in runs] == ["success", "success"]
    assert scenario.target() == {0: rows_of(0), 1: rows_of(1)}


def test_a_person_chooses_the_window(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """Parameter window_start runs that window; once finished it is left alone, but for `reload`."""
    scenario = scenarios["chosen"]
    last = hour(HOURS - 1).isoformat()
    run = airflow.trigger(scenario.dag_id, window_start=last)
    assert (run.ended(), run.tasks()) == ("success", ALL_WELL)
    assert scenario.target() == {HOURS - 1: rows_of(HOURS - 1)}
    again = airflow.trigger(scenario.dag_id, window_start=last)
    assert (again.ended(), again.tasks()) == (
        "success",
        stopped("store_and_validate", "skipped", "skipped"),
    )
    reload = airflow.trigger(scenario.dag_id, window_start=last, reload=True)
    assert (reload.ended(), reload.tasks()) == ("success", ALL_WELL)
    assert (scenario.readings(), scenario.target()) == (2, {HOURS - 1: rows_of(HOURS - 1)})


def test_clearing_a_run_does_its_window_again(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """A cleared run reopens the window that it had, and no other one."""
    scenario = scenarios["cleared"]
    run = airflow.trigger(scenario.dag_id)
    assert run.ended() == "success"
    run.clear()
    until(lambda: scenario.readings() == 2, "the second reading")
    assert (run.ended(), run.tasks()) == ("success", ALL_WELL)
    first, *others = scenario.records()
    assert (first.audit_result, first.reload_reason) == ("loaded", f"cleared in run {run.run_id}")
    assert [record.pipeline_status for record in others] == ["PENDING"] * (HOURS - 1)
    assert scenario.target() == {0: rows_of(0)}


def test_the_control_table_is_found_in_airflows_connections(
    airflow: RealAirflow,
    scenarios: dict[str, Scenario],
    control_in_airflow: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`conn_id` is looked up where only Airflow looks, and its password shows in no log and no XCom."""
    run = airflow.trigger(scenarios["connected"].dag_id)
    assert (run.ended(), run.tasks()) == ("success", ALL_WELL)
    said = "".join(run.log(task) for task in TASKS) + str(run.xcom("load_final_config"))
    assert "only for tests" not in said
    assert "only%20for%20tests" not in said
    monkeypatch.setenv("PIPELINE_CONN_KEPT_IN_AIRFLOW", control_in_airflow)
    assert scenarios["connected"].records()[0].audit_result == "loaded"


def test_a_wrong_configuration_is_an_import_error(airflow: RealAirflow) -> None:
    """File, line and the nearest key are shown, and the other DAGs are there."""
    (error,) = until(airflow.import_errors, "the import error")
    assert "broken.yml" in error["stack_trace"]
    assert "granularty" in error["stack_trace"]
    assert "granularity" in error["stack_trace"]

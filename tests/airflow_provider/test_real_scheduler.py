"""The DAG on a real scheduler: state of run and tasks, the control table's row and the target's rows."""

import pytest

from pipeline_framework.airflow_provider.dag_folder import broken_id
from tests.airflow_provider.real_airflow import TASKS, RealAirflow, until
from tests.airflow_provider.scenario import HOURS, Scenario, hour, rows_of
from tests.airflow_provider.watching import loading

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


def test_a_run_moves_one_window(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """The shipped DAG at its first tick: seven tasks succeed, the oldest window is loaded."""
    run = airflow.first_tick("data_pipeline_main")
    assert run.ended() == "success"
    assert run.tasks() == ALL_WELL
    first, *others = scenarios["main"].records()
    assert (first.window_start_time, first.audit_result, first.dag_run_id) == (hour(0), "loaded", run.run_id)
    assert run.run_id not in {record.dag_run_id for record in others}  # though the next tick may have come
    assert scenarios["main"].target()[0] == rows_of(0)
    assert run.xcom("store_and_validate")["record_id"] == first.id
    (done,) = [line for line in run.lines("audit") if line["event"].endswith("audit done")]
    assert (done["pipeline_id"], done["phase"], done["window"]) == ("main", "audit", str(first.window))
    assert first.lock_epoch == done["epoch"]


def test_bad_data_is_not_tried_again(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """A terminal error fails the task at once, counts one attempt and puts the window back."""
    scenario = scenarios["bad"]
    scenario.get_into("bad")
    run = airflow.trigger(scenario.dag_id)
    assert run.ended() == "failed"
    assert run.tries("source_to_stage") == 1
    first = scenario.records()[0]
    assert (first.pipeline_status, first.retry_attempt, scenario.readings()) == ("PENDING", 1, 1)


def test_one_task_moves_a_window(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """`dag_shape: single`: its second try goes on with the same window, and no attempt is counted."""
    scenario = scenarios["single"]
    scenario.get_into("unavailable_once")
    run = airflow.trigger(scenario.dag_id)
    assert (run.ended(), run.tries("run_windows")) == ("success", 2)
    first, *others = scenario.records()
    assert (first.audit_result, first.retry_attempt, scenario.readings()) == ("loaded", 0, 2)
    assert [record.pipeline_status for record in others] == ["PENDING"] * (HOURS - 1)
    assert scenario.target() == {0: rows_of(0)}


def test_one_task_runs_until_it_has_caught_up(airflow: RealAirflow, scenarios: dict[str, Scenario]) -> None:
    """`dag_shape: single` with `windows_per_run: 0`: every window that is ready, one after the other."""
    scenario = scenarios["caught_up"]
    run = airflow.trigger(scenario.dag_id)
    assert run.ended() == "success"
    assert [record.audit_result for record in scenario.records()] == ["loaded"] * HOURS
    assert {(record.dag_run_id, record.run_slot) for record in scenario.records()} == {(run.run_id, 0)}
    assert scenario.target() == {number: rows_of(number) for number in range(HOURS)}


def test_a_run_moves_several_windows_side_by_side(
    airflow: RealAirflow, scenarios: dict[str, Scenario]
) -> None:
    """`windows_per_run: 3`: the phases of each; cleared, the run does all of its windows again."""
    scenario = scenarios["side_by_side"]
    run = airflow.trigger(scenario.dag_id)
    assert (run.ended(), run.tasks()) == ("success", ALL_WELL)
    assert [record.audit_result for record in scenario.records()] == ["loaded"] * HOURS
    assert [record.run_slot for record in scenario.records()] == list(range(HOURS))
    run.clear()
    until(lambda: run.tries("cleanup_stale_locks") == 2, "the second cleanup")
    assert (run.ended(), run.tasks()) == ("success", ALL_WELL)
    assert [record.reload_reason for record in scenario.records()] == [f"cleared in run {run.run_id}"] * HOURS
    assert (scenario.readings(), scenario.loads()) == (2 * HOURS, 2 * HOURS)
    assert scenario.target() == {number: rows_of(number) for number in range(HOURS)}


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


def test_a_bad_file_of_a_folder_leaves_the_others_alone(
    airflow: RealAirflow, scenarios: dict[str, Scenario]
) -> None:
    """Its DAG is there and tells the mistake; the DAG beside it runs, though both are of one DAG file."""
    scenario = scenarios["in_a_folder"]
    run = airflow.trigger(scenario.dag_id)
    broken = broken_id(scenario.folder / "bad.yml")
    until(lambda: airflow.knows(broken), "the DAG of the bad file")
    told = airflow.client.get(f"/api/v2/dags/{broken}/details").raise_for_status().json()
    assert [tag["name"] for tag in told["tags"]] == ["broken"]
    assert "bad.yml: granularity: Is missing" in told["doc_md"]
    assert (run.ended(), run.tasks()) == ("success", ALL_WELL)
    assert not airflow.broken(airflow.dags / "in_a_folder.py")


def test_a_wrong_configuration_is_an_import_error(airflow: RealAirflow) -> None:
    """File, line and the nearest key are shown, and the other DAGs are there."""
    until(lambda: airflow.broken(airflow.dags / "broken.py"), "the import error")
    (error,) = [error for error in airflow.import_errors() if error["filename"] == "broken.py"]
    assert "broken.yml" in error["stack_trace"]
    assert "granularty" in error["stack_trace"]
    assert "granularity" in error["stack_trace"]

"""One play for each line of the table "Every way a run can end": what goes wrong, and how it is mended.

A play yields the run once it has been started and led into its trouble; what stands behind the yield happens
when that run has ended, before the next one. Each has a scenario, and so a DAG, of its own.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Holder
from pipeline_framework.locking import store_and_validate
from pipeline_framework.operations.run import run_once
from pipeline_framework.pipeline import opened
from tests.airflow_provider.real_airflow import RealAirflow, Run, until
from tests.airflow_provider.scenario import START, Scenario
from tests.airflow_provider.watching import gone, killed_while_loading, lapsed, loading

Play = Callable[[RealAirflow, Scenario], Iterator[Run | None]]
NO_TIME = (
    'dag.get_task("load_final_config").execution_timeout = __import__("datetime").timedelta(microseconds=1)'
)


def waits_for(airflow: RealAirflow, scenario: Scenario, task: str) -> Run:
    """A run that has come to `task` and waits for its pool, which has no slot."""
    airflow.pool(scenario.name, 0)
    run = airflow.trigger(scenario.dag_id)
    until(lambda: run.tasks()[task] == "scheduled", f"{task} of {scenario.name} in line")
    return run


def plain(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """Nothing goes wrong."""
    yield airflow.trigger(scenario.dag_id)


def future(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """Somebody chooses a window that is not over yet."""
    yield airflow.trigger(scenario.dag_id, window_start="2100-01-01T00:00")


def held(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """Somebody chooses a window that another run holds."""
    other = Holder("another_dag", "another_run", 0, "another:1", 3600)
    with opened(load_final_config(scenario.file), other) as pipeline:
        store_and_validate(pipeline, pipeline.database.now())
    yield airflow.trigger(scenario.dag_id, window_start=START.isoformat())


def present(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """Another program has loaded the window."""
    scenario.load_by_other_hands(0)
    yield airflow.trigger(scenario.dag_id)


def trouble(name: str) -> Play:
    """The connectors are in that trouble until the run has ended."""

    def play(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
        scenario.get_into(name)
        yield airflow.trigger(scenario.dag_id)
        (scenario.folder / "trouble" / name).unlink(missing_ok=True)

    return play


def stage_lost(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """Somebody empties the stage while stage_to_target waits for a slot."""
    run = waits_for(airflow, scenario, "stage_to_target")
    shutil.rmtree(scenario.folder / "stage")
    airflow.pool(scenario.name, 1)
    yield run


def stage_elsewhere(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """stage_to_target starts on a host that does not see the stage of the one before; the next run does."""
    run = waits_for(airflow, scenario, "stage_to_target")
    stage, away = scenario.folder / "stage", scenario.folder / "stage of the other host"
    with sqlite3.connect(scenario.folder / "control.db") as control:
        address = "replace(manifest_address, '://' || :here || '/', '://another-host/')"
        host = {"here": os.uname().nodename}
        control.execute(f"UPDATE pipeline_records SET manifest_address = {address}", host)
    control.close()
    stage.rename(away)
    airflow.pool(scenario.name, 1)
    yield run
    away.rename(stage)


def uncountable(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """The target cannot be counted once it is loaded."""
    scenario.get_into("hang")
    run = airflow.trigger(scenario.dag_id)
    loading(scenario)
    scenario.get_into("uncountable")
    scenario.get_out_of("hang")
    yield run
    scenario.get_out_of("uncountable")


def first_task(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """load_final_config has a microsecond."""
    file = dag_file(airflow, scenario)
    yield airflow.trigger(scenario.dag_id)
    file.write_text(file.read_text().replace(NO_TIME, ""))


def broken_before(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """A key of the file is misspelt, and Airflow knows it."""
    until(lambda: airflow.knows(scenario.dag_id), f"the parsing of {scenario.dag_id}")
    misspelt(airflow, scenario)
    assert airflow.refuses(scenario.dag_id)
    spelt_right(airflow, scenario)
    yield None


def broken_after(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """A key of the file is misspelt while stage_to_target is at work; later somebody mends it."""
    scenario.get_into("hang")
    run = airflow.trigger(scenario.dag_id)
    loading(scenario)
    misspelt(airflow, scenario)
    scenario.get_out_of("hang")
    until(lambda: run.tasks()["stage_to_target"] == "success", "the end of stage_to_target")
    spelt_right(airflow, scenario)
    yield run


def misspelt(airflow: RealAirflow, scenario: Scenario) -> None:
    """Break the file, and let Airflow see it."""
    file = dag_file(airflow, scenario)
    scenario.file.write_text(scenario.file.read_text().replace("granularity", "granularty"))
    file.touch()
    until(lambda: airflow.broken(file), "the import error")


def spelt_right(airflow: RealAirflow, scenario: Scenario) -> None:
    """Mend it, and let Airflow see that."""
    file = dag_file(airflow, scenario)
    scenario.file.write_text(scenario.file.read_text().replace("granularty", "granularity"))
    file.touch()
    until(lambda: not airflow.broken(file), "the end of the import error")


def dag_file(airflow: RealAirflow, scenario: Scenario) -> Path:
    """The DAG file of a scenario."""
    return airflow.dags / f"{scenario.name}.py"


def control_down(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """The control database does not answer, at an address that only Airflow knows."""
    airflow.keep_connection(scenario.name, "postgresql://nobody:nothing@127.0.0.1:9/nowhere")
    run = airflow.trigger(scenario.dag_id)
    run.ended()
    airflow.keep_connection(scenario.name, airflow.control)
    os.environ[f"PIPELINE_CONN_{scenario.name.upper()}"] = airflow.control
    yield run


def killed(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """SIGKILL in stage_to_target."""
    scenario.get_into("hang")
    run = airflow.trigger(scenario.dag_id)
    killed_while_loading(scenario)
    yield run


def cleared(task: str | None) -> Play:
    """A finished run is cleared, from `task` on or as a whole."""

    def play(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
        run = airflow.trigger(scenario.dag_id)
        assert run.ended() == "success"
        if task:
            run.clear_from(task)
        else:
            run.clear()
        until(lambda: run.tries("cleanup_stale_locks") == 2, "the second cleanup")
        run.ended()
        assert [record.dag_run_id for record in scenario.records()] == [run.run_id, None, None]
        yield run

    return play


def timed_out(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """The run is ended while stage_to_target is at work; the next one starts when the lease has run out."""
    scenario.get_into("hang")
    run = airflow.trigger(scenario.dag_id)
    ((_, process),) = loading(scenario)
    yield run
    gone(process)
    scenario.get_out_of("hang")
    until(lambda: lapsed(scenario), "the end of the lease")


def starved(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """source_to_stage waits for a slot until its lock is stale; another run does the window meanwhile."""
    run = waits_for(airflow, scenario, "source_to_stage")
    until(lambda: lapsed(scenario), "the end of the parked lease")
    with opened(load_final_config(scenario.file)) as pipeline:
        assert run_once(pipeline, pipeline.database.now()).done
    airflow.pool(scenario.name, 1)
    yield run


def marked(airflow: RealAirflow, scenario: Scenario) -> Iterator[Run | None]:
    """Somebody marks the run failed while stage_to_target is at work."""
    scenario.get_into("hang")
    run = airflow.trigger(scenario.dag_id)
    ((_, process),) = loading(scenario)
    run.mark_failed()
    yield run
    run.mark_failed()
    assert run.ended() == "failed"
    gone(process)
    scenario.get_out_of("hang")

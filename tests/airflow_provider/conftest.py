"""One real Airflow per test session: scheduler, LocalExecutor, PostgreSQL as its metadata database."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline_framework.control_table import Database
from pipeline_framework.control_table.migrations import migrate
from scripts.local_airflow import ROOT, LocalAirflow, environment, free_port
from tests.airflow_provider.parts import PARTS, Part
from tests.airflow_provider.real_airflow import RealAirflow
from tests.airflow_provider.scenario import Scenario, make
from tests.services.postgres import databases

# Whoever imports Airflow in this process must not touch the home of the person who runs the tests.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="pipeline-airflow-home-")

DAG_FILE = """
from pipeline_framework.airflow_provider.dag import build_dag

dag = build_dag({file!r}, schedule=None)
{lines}
"""
FOLDER_FILE = """
from pipeline_framework.airflow_provider.dag_folder import build_dags

build_dags(globals(), {folder!r}, schedule=None)
"""
IN_AIRFLOW = "kept_in_airflow"


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, Part]) -> dict[str, Scenario]:
    """A pipeline for each test, by name."""
    folder = tmp_path_factory.mktemp("pipelines")
    made = [make(folder / name) for name in ("main", "together", "chosen")]
    made += [make(folder / "bad", retries=1), make(folder / "connected", control={"conn_id": IN_AIRFLOW})]
    made.append(make(folder / "in_a_folder"))
    made.append(make(folder / "single", retries=1, more="dag_shape: single\n"))
    made.append(make(folder / "side_by_side", more="windows_per_run: 3\n"))
    made.append(make(folder / "caught_up", more="dag_shape: single\nwindows_per_run: 0\n"))
    made += [make(folder / slug(how), **part.scenario) for how, part in parts.items()]
    return {scenario.name: scenario for scenario in made}


@pytest.fixture(scope="session")
def parts(request: pytest.FixtureRequest) -> dict[str, Part]:
    """The plays that this session was asked for."""
    asked = [getattr(item, "callspec", None) for item in request.session.items]
    hows = {call.params["how"] for call in asked if call and "how" in call.params}
    return {how: part for how, part in PARTS.items() if how in hows}


def slug(how: str) -> str:
    """A line of the page's table as the name of a scenario."""
    return re.sub(r"\W+", "_", how)


@pytest.fixture(scope="session")
def dags(
    scenarios: dict[str, Scenario], parts: dict[str, Part], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A DAG folder: the shipped file for `main`, one for each other scenario, and one that is wrong."""
    folder = tmp_path_factory.mktemp("dags")
    (folder / "data_pipeline_main.py").write_text((ROOT / "dags" / "data_pipeline_main.py").read_text())
    more = {slug(how): part.dag_lines for how, part in parts.items()}
    for scenario in set(scenarios.values()) - {scenarios["main"]}:
        text = DAG_FILE.format(file=str(scenario.file), lines=more.get(scenario.name, ""))
        (folder / f"{scenario.name}.py").write_text(text)
    beside = scenarios["in_a_folder"].folder
    (beside / "bad.yml").write_text("pipeline_id: bad\n")
    (folder / "in_a_folder.py").write_text(FOLDER_FILE.format(folder=str(beside)))
    broken = folder / "broken.yml"
    broken.write_text(scenarios["main"].file.read_text().replace("granularity", "granularty"))
    (folder / "broken.py").write_text(DAG_FILE.format(file=str(broken), lines=""))
    return folder


@pytest.fixture(scope="session")
def control_in_airflow(postgres_server: str) -> Iterator[str]:
    """A migrated PostgreSQL control database, whose address only Airflow knows."""
    with databases(postgres_server) as make_database:
        url = make_database()
        with Database(url) as database:
            migrate(database)
        yield url


@pytest.fixture(scope="session")
def airflow(
    scenarios: dict[str, Scenario],
    dags: Path,
    postgres_server: str,
    control_in_airflow: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RealAirflow]:
    """Started once, with every DAG of the folder switched on."""
    home = tmp_path_factory.mktemp("airflow")
    with databases(postgres_server) as make_database:
        variables = environment(
            home,
            dags,
            free_port(),
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
            AIRFLOW__WORKERS__MISSING_DAG_RETRY_DELAY="1",  # three times, before a task without its DAG fails
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=make_database().replace(
                "postgresql:", "postgresql+psycopg2:"
            ),
            PIPELINE_CONFIG=str(scenarios["main"].file),
        )
        local = LocalAirflow(home, variables)
        try:
            local.start()
            with signed_in(local.address) as client:
                running = RealAirflow(client, dags, control_in_airflow)
                running.keep_connection(IN_AIRFLOW, control_in_airflow)
                yield running
        finally:
            local.stop()


def signed_in(address: str) -> httpx.Client:
    """A client of the REST API."""
    token = httpx.get(f"{address}/auth/token").raise_for_status().json()["access_token"]
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)

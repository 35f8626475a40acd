"""One real Airflow per test session: scheduler, LocalExecutor, PostgreSQL as its metadata database."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from pipeline_framework.control_table import Database
from pipeline_framework.control_table.migrations import migrate
from scripts.local_airflow import ROOT, LocalAirflow, environment, free_port
from tests.airflow_provider.real_airflow import RealAirflow
from tests.airflow_provider.scenario import Scenario, make
from tests.services.postgres import databases

# Whoever imports Airflow in this process must not touch the home of the person who runs the tests.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="pipeline-airflow-home-")

DAG_FILE = """
from pipeline_framework.airflow_provider.dag import build_dag

dag = build_dag({file!r}, schedule=None)
"""
IN_AIRFLOW = "kept_in_airflow"


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scenario]:
    """A pipeline for each test, by name."""
    folder = tmp_path_factory.mktemp("pipelines")
    plain = ("main", "present", "leaking", "killed", "together", "chosen", "cleared")
    made = [make(folder / name) for name in plain]
    made += [make(folder / name, retries=1) for name in ("unavailable", "bad", "killed_and_retried")]
    made.append(make(folder / "idle", start=datetime(2100, 1, 1, tzinfo=UTC)))
    made.append(make(folder / "connected", control={"conn_id": IN_AIRFLOW}))
    return {scenario.name: scenario for scenario in made}


@pytest.fixture(scope="session")
def dags(scenarios: dict[str, Scenario], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DAG folder: the shipped file for `main`, one for each other scenario, and one that is wrong."""
    folder = tmp_path_factory.mktemp("dags")
    (folder / "data_pipeline_main.py").write_text((ROOT / "dags" / "data_pipeline_main.py").read_text())
    for scenario in set(scenarios.values()) - {scenarios["main"]}:
        (folder / f"{scenario.name}.py").write_text(DAG_FILE.format(file=str(scenario.file)))
    broken = folder / "broken.yml"
    broken.write_text(scenarios["main"].file.read_text().replace("granularity", "granularty"))
    (folder / "broken.py").write_text(DAG_FILE.format(file=str(broken)))
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
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=make_database().replace(
                "postgresql:", "postgresql+psycopg2:"
            ),
            PIPELINE_CONFIG=str(scenarios["main"].file),
        )
        local = LocalAirflow(home, variables)
        try:
            local.start()
            with signed_in(local.address) as client:
                keep_connection(client, control_in_airflow)
                yield RealAirflow(client)
        finally:
            local.stop()


def signed_in(address: str) -> httpx.Client:
    """A client of the REST API."""
    token = httpx.get(f"{address}/auth/token").raise_for_status().json()["access_token"]
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def keep_connection(client: httpx.Client, url: str) -> None:
    """Put the control database's address into Airflow's connections."""
    parts = httpx.URL(url)
    body = {
        "connection_id": IN_AIRFLOW,
        "conn_type": "postgres",
        "host": parts.host,
        "port": parts.port,
        "login": parts.username,
        "password": parts.password,
        "schema": parts.path.lstrip("/"),
    }
    client.post("/api/v2/connections", json=body).raise_for_status()

"""The whole DAG on a real Airflow: Elasticsearch → S3 → Snowflake (a fake of it)."""

import secrets
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Record
from pipeline_framework.pipeline import opened
from pipeline_framework.reports.history import windows
from scripts.local_airflow import LocalAirflow, environment
from tests.services import events
from tests.services.s3 import KEYS
from tests.services.snowflake import PASSWORD, FakeSnowflake

pytestmark = [pytest.mark.airflow, pytest.mark.services, pytest.mark.slow]
CONFIG = """
pipeline_id: flagship
granularity: 24h
start: 2026-03-01
end: 2026-03-03
source:
  type: elasticsearch
  url: {elasticsearch}
  index: {index}
  time_field: at
  columns: {{tags: list<string>}}
stage:
  type: s3
  url: s3://{bucket}/stage
  endpoint: {s3}
  region: us-east-1
  access_key_id: {access_key_id}
  secret_access_key: {secret_access_key}
target: {{type: snowflake, conn_id: warehouse, table: {table}, time_field: at, stage: {table}}}
"""
DAG = """
from pipeline_framework.airflow_provider.dag import build_dag

dag = build_dag({file!r}, schedule=None)
"""


@pytest.fixture
def table(
    tmp_path: Path,
    elasticsearch_server: str,
    fresh_index: Callable[[], str],
    s3_server: str,
    fresh_bucket: Callable[[], str],
    snowflake: FakeSnowflake,
) -> str:
    """The table that the pipeline in `tmp_path` fills; its stage in Snowflake has the same name."""
    index, bucket, name = fresh_index(), fresh_bucket(), f"flagship_{secrets.token_hex(4)}"
    events.fill(elasticsearch_server, index, 2)
    snowflake.query(f"CREATE STAGE {name} URL = 's3://{bucket}/stage/'")
    servers = {"elasticsearch": elasticsearch_server, "s3": s3_server}
    text = CONFIG.format(**servers, **KEYS, index=index, bucket=bucket, table=name)
    (tmp_path / "pipeline.yml").write_text(text)
    return name


@pytest.fixture
def run(tmp_path: Path, table: str, snowflake: FakeSnowflake) -> Callable[[], str]:
    """Runs the DAG once, as `airflow dags test` does; what it printed."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "flagship.py").write_text(DAG.format(file=str(tmp_path / "pipeline.yml")))
    url = snowflake.url().get_secret_value()
    airflow = LocalAirflow(tmp_path, environment(tmp_path, tmp_path / "dags", AIRFLOW_CONN_WAREHOUSE=url))
    airflow.command("db", "migrate")

    def once() -> str:
        command = ["airflow", "dags", "test", "data_pipeline_flagship"]
        done = subprocess.run(
            command, env=dict(airflow.variables), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
        return done.stdout + done.stderr

    return once


def records(folder: Path) -> list[Record]:
    """Every window of the control table, oldest first."""
    with opened(load_final_config(folder / "pipeline.yml")) as pipeline:
        return list(windows(pipeline))


def test_a_run_of_the_dag_moves_a_day(
    tmp_path: Path,
    table: str,
    run: Callable[[], str],
    snowflake: FakeSnowflake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seven tasks, the oldest window; the rows are those that were made, and no password is printed."""
    printed = run()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", snowflake.url().get_secret_value())
    assert [record.audit_result for record in records(tmp_path)] == ["loaded", None]
    first_day = [row for row in events.events() if row["at"] < events.FIRST + timedelta(days=1)]
    assert events.told(snowflake.events(table)) == events.told(first_day)
    assert not [secret for secret in (PASSWORD, quote(PASSWORD)) if secret in printed]

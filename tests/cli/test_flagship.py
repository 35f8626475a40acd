"""Elasticsearch → S3 → a warehouse, by the command line, against rows that no pipeline code produced."""

import json
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.cli.conftest import Flights
from tests.services import events
from tests.services.events import told
from tests.services.mariadb import execute
from tests.services.s3 import KEYS
from tests.services.snowflake import FakeSnowflake

pytestmark = pytest.mark.services

CONFIG = """\
pipeline_id: events
granularity: 2h
start: 2026-03-01
end: 2026-03-03
retry_seconds: 10
source:
  type: elasticsearch
  url: {elasticsearch}
  index: {index}
  time_field: at
  columns: {{tags: list<string>}}
  page_rows: 100
stage:
  type: s3
  url: s3://{bucket}/stage
  endpoint: {s3}
  region: us-east-1
  access_key_id: {access_key_id}
  secret_access_key: {secret_access_key}
target: {target}
"""
WINDOWS = 24


@pytest.fixture
def index(elasticsearch_server: str, fresh_index: Callable[[], str], request: pytest.FixtureRequest) -> str:
    """An index that holds every event, of as many shards as the test asks for."""
    name = fresh_index()
    events.fill(elasticsearch_server, name, request.param)
    return name


@pytest.fixture
def bucket(fresh_bucket: Callable[[], str]) -> str:
    """Where the windows are staged."""
    return fresh_bucket()


@pytest.fixture
def moved(
    tmp_path: Path, elasticsearch_server: str, s3_server: str, index: str, bucket: str
) -> Callable[[str], Flights]:
    """Makes the pipeline with a target, and runs all of its windows."""

    def run(target: str) -> Flights:
        servers = {"elasticsearch": elasticsearch_server, "s3": s3_server}
        names = {"index": index, "bucket": bucket, "target": target}
        (tmp_path / "pipeline.yml").write_text(CONFIG.format(**servers, **names, **KEYS))
        pipeline = Flights(tmp_path)
        answer = pipeline("run", "--until-caught-up", "--format", "json")
        assert answer.code == 0, answer.err
        assert [outcome["audit_result"] for outcome in answer.json] == ["loaded"] * WINDOWS
        return pipeline

    return run


def rows_of(names: list[str], rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """What a cursor answered, by name."""
    return [dict(zip(names, row, strict=True)) for row in rows]


def widened(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a database that keeps lists and objects as JSON text, and booleans as numbers."""
    nested = {name: json.loads(row[name]) for name in ("tags", "place") if row[name] is not None}
    return {**row, **nested, "good": None if row["good"] is None else {0: False, 1: True}[row["good"]]}


def made_without_signs() -> list[dict[str, Any]]:
    """Every event, with 0.0 for -0.0."""
    return [{**row, "share": None if row["share"] is None else row["share"] + 0.0} for row in events.events()]


@pytest.mark.parametrize("index", [1, 8], indirect=True)
def test_duckdb_holds_every_event_as_it_was_made(moved: Callable[[str], Flights]) -> None:
    """Row by row and value by value, over one shard and over eight."""
    import duckdb

    folder = moved("{type: duckdb, path: warehouse.duckdb, table: events, time_field: at}").folder
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        cursor = connection.execute("SELECT * FROM events")
        found = rows_of([column[0] for column in cursor.description or ()], cursor.fetchall())
    assert told(found) == told(events.events())


@pytest.mark.parametrize("index", [3], indirect=True)
def test_postgresql_holds_every_event_as_it_was_made(
    moved: Callable[[str], Flights], fresh_postgres: Callable[[], str]
) -> None:
    """Nested values as jsonb; everything else in columns of its type."""
    url = fresh_postgres()
    moved(f'{{type: postgres, url: "{url}", table: events, time_field: at}}')
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM events")
        found = rows_of([column.name for column in cursor.description or ()], cursor.fetchall())
    connection.close()
    assert told(found) == told(events.events())


@pytest.mark.parametrize("index", [2], indirect=True)
def test_mariadb_holds_every_event_as_it_was_made(
    moved: Callable[[str], Flights], fresh_mariadb: Callable[[], str]
) -> None:
    """Lists and objects as JSON, booleans as numbers; but MariaDB has no -0.0."""
    url = fresh_mariadb()
    moved(f'{{type: mysql, url: "{url}", table: events, time_field: at}}')
    names = ", ".join(f"`{name}`" for name in events.MAPPING)
    found = execute(url, f"SELECT {names} FROM events")
    rows = [{**row, "at": row["at"].replace(tzinfo=UTC)} for row in rows_of([*events.MAPPING], found)]
    assert told(list(map(widened, rows))) == told(made_without_signs())


@pytest.mark.parametrize("index", [2], indirect=True)
def test_sqlite_holds_every_event_as_it_was_made(moved: Callable[[str], Flights]) -> None:
    """Times, lists and objects as text, booleans as numbers; but SQLite keeps -0.0 as 0.0."""
    folder = moved("{type: sqlite, path: warehouse.sqlite, table: events, time_field: at}").folder
    with closing(sqlite3.connect(folder / "warehouse.sqlite")) as connection:
        cursor = connection.execute("SELECT * FROM events")
        found = rows_of([name for name, *_ in cursor.description], cursor.fetchall())
    rows = [{**row, "at": datetime.fromisoformat(row["at"])} for row in found]
    assert told(list(map(widened, rows))) == told(made_without_signs())


@pytest.mark.parametrize("index", [4], indirect=True)
def test_snowflake_holds_every_event_as_it_was_made(
    moved: Callable[[str], Flights], bucket: str, snowflake: FakeSnowflake
) -> None:
    """Copied from the bucket by a fake of Snowflake; lists and objects are VARIANT, which reads as JSON."""
    name = f"events_{secrets.token_hex(4)}"
    snowflake.query(f"CREATE STAGE {name} URL = 's3://{bucket}/stage/'")
    target = {"type": "snowflake", "table": name, "time_field": "at", "stage": name}
    moved(json.dumps(target | {"url": snowflake.url().get_secret_value()}))
    assert told(snowflake.events(name)) == told(events.events())


@pytest.mark.parametrize("index", [2], indirect=True)
def test_check_tells_of_every_part_and_no_secret(moved: Callable[[str], Flights]) -> None:
    """What would work, in a line each."""
    answer = moved("{type: duckdb, path: warehouse.duckdb, table: events, time_field: at}")("check")
    assert answer.code == 0, answer.out
    assert "1872 documents of 9 fields" in answer.out
    assert "can write and remove" in answer.out
    assert KEYS["secret_access_key"] not in answer.out + answer.err

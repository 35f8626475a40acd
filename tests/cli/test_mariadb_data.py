"""Two days of difficult events into MariaDB and out of it again, by the command line, value by value."""

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Flights
from tests.services import events
from tests.services.mariadb import execute

pytestmark = pytest.mark.services

CONFIG = """\
pipeline_id: {name}
granularity: 2h
start: 2026-03-01
end: 2026-03-03
retry_seconds: 10
source: {source}
stage: {{type: local, path: stage}}
target: {target}
"""
FILES = '{type: files, path: "data/*.parquet", time_field: at}'
DUCKDB = "{type: duckdb, path: warehouse.duckdb, table: events, time_field: at}"
MARIADB = "{type: mysql, conn_id: warehouse, table: events, time_field: at}"
SCHEMA = pa.schema(
    {
        "at": pa.timestamp("us", "UTC"),
        "number": pa.int64(),
        "kind": pa.string(),
        "text": pa.string(),
        "size": pa.int64(),
        "share": pa.float64(),
        "good": pa.bool_(),
        "tags": pa.list_(pa.string()),
        "place": pa.struct({"name": pa.string(), "height": pa.float64()}),
    }
)


@pytest.fixture
def moved(
    tmp_path: Path, fresh_mariadb: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, str], Path]:
    """Runs all windows of a pipeline in a folder of its own, which it answers."""
    monkeypatch.setenv("PIPELINE_CONN_WAREHOUSE", fresh_mariadb())

    def run(name: str, source: str, target: str) -> Path:
        folder = tmp_path / name
        (folder / "data").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(events.events(), SCHEMA), folder / "data" / "events.parquet")
        (folder / "pipeline.yml").write_text(CONFIG.format(name=name, source=source, target=target))
        answer = Flights(folder)("run", "--until-caught-up", "--format", "json")
        assert answer.code == 0, answer.err
        assert [outcome["audit_result"] for outcome in answer.json] == ["loaded"] * 24
        return folder

    return run


def test_there_and_back(moved: Callable[[str, str, str], Path]) -> None:
    """Every event is in MariaDB as it was made, and then in DuckDB; but MariaDB has no -0.0."""
    moved("there", FILES, MARIADB)
    names = ", ".join(f"`{name}`" for name in SCHEMA.names)
    found = execute(os.environ["PIPELINE_CONN_WAREHOUSE"], f"SELECT {names} FROM events")
    assert told(found) == told(made())
    folder = moved("back", MARIADB, DUCKDB)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT {names.replace('`', chr(34))} FROM events").fetchall()
    assert told(found) == told(made())


def made() -> list[tuple[Any, ...]]:
    """The events as a table without lists and structures holds them."""
    return [tuple(row[name] for name in SCHEMA.names) for row in events.events()]


def told(rows: list[tuple[Any, ...]]) -> list[str]:
    """Rows in the order of their events, each value in one form."""
    return [repr([plain(value) for value in row]) for row in sorted(rows, key=lambda row: int(row[1]))]


def plain(value: Any) -> Any:
    """Times without their zone, which is UTC; JSON as what it says; 0.0 for -0.0 and numbers for booleans."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        value = json.loads(value)
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return value + 0.0
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value

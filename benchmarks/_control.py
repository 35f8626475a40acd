"""Control tables of any size: pipelines with a long finished history and windows that wait behind it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from pipeline_framework import pipeline as pipelines
from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Database, PipelineKey
from pipeline_framework.control_table.sealing import seal
from pipeline_framework.pipeline import Pipeline

SERIES = {
    "postgresql": "generate_series(0, :windows - 1) AS series(n)",
    "sqlite": """(WITH RECURSIVE numbers(n) AS (
        SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :windows - 1)
        SELECT n FROM numbers WHERE n < :windows) AS series""",
}
MINUTES = {  # `n` minutes behind the year 2000
    "postgresql": "(TIMESTAMPTZ '2000-01-01T00:00:00Z' + ({n}) * INTERVAL '1 minute')",
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 946684800 + ({n}) * 60, 'unixepoch')",
}
EACH = {
    "postgresql": "jsonb_array_elements_text(CAST(:pipelines AS jsonb)) AS each_one(pipeline_id)",
    "sqlite": "(SELECT value AS pipeline_id FROM json_each(:pipelines)) AS each_one",
}
DAY = {
    "postgresql": "CAST({start} AT TIME ZONE 'UTC' AS date)",
    "sqlite": "substr({start}, 1, 10)",
}
FINISHED = """
INSERT INTO pipeline_records (pipeline_id, source_name, target_name, target_day,
    window_start_time, window_end_time, time_interval, dag_id, dag_run_id, run_slot, pipeline_status,
    lock_epoch, stage_epoch, manifest_address, manifest_digest,
    source_to_stage_ingestion_start_time, source_to_stage_ingestion_end_time,
    source_to_stage_ingestion_status,
    stage_to_target_ingestion_start_time, stage_to_target_ingestion_end_time,
    stage_to_target_ingestion_status,
    audit_start_time, audit_end_time, audit_status, audit_result,
    source_count, target_count, count_difference, percentage_difference,
    pipeline_start_time, pipeline_end_time, phase_completed, actor, move_name, move_number)
SELECT pipeline_id, 'source', 'target', {day},
       {start}, {end}, '1m', 'flights', 'scheduled__2013-03-10T05:00:00+00:00', 0, 'COMPLETED',
       1700000000000 + n, 1700000000000 + n, 'window/2013/03/10/epoch', 'sha256:0123456789abcdef',
       {start}, {end}, 'COMPLETED', {start}, {end}, 'COMPLETED', {start}, {end}, 'COMPLETED', 'loaded',
       1000, 1000, 0, 0, {start}, {end}, 'AUDIT', 'host:1', 'complete', 8
  FROM {each} CROSS JOIN {series}"""
WAITING = """
INSERT INTO pipeline_records (pipeline_id, target_day, window_start_time, window_end_time, time_interval,
    not_before, retry_attempt)
SELECT pipeline_id, {day}, {start}, {end}, '1m', {not_before}, {attempt} FROM {each} CROSS JOIN {series}"""
ANNOUNCE = """
INSERT INTO pipelines (pipeline_id, grid_history) SELECT pipeline_id, 'first: fixed 1m' FROM {each} WHERE TRUE
    ON CONFLICT DO NOTHING"""


CONFIG = """
pipeline_id: {pipeline_id}
control: {{url: "{url}"}}
granularity: 1m
grid: fixed
start: 2000-01-01
source: {{type: files, path: "data/*.parquet", time_field: at}}
stage: {{type: local, path: stage}}
target: {{type: duckdb, path: warehouse.duckdb, table: t, time_field: at}}
"""


def opened(folder: Path, url: str, pipeline_id: str) -> Pipeline:
    """A pipeline of minutes from the year 2000 on, as the command line would open it."""
    file = folder / f"{pipeline_id}.yml"
    file.write_text(CONFIG.format(pipeline_id=pipeline_id, url=url))
    config = load_final_config(file)
    return Pipeline(config, Database(url), pipelines.this_process(config))


def finish(database: Database, pipelines: Sequence[str], windows: int) -> None:
    """Each gets so many finished windows of a minute from the year 2000 on."""
    _insert(database, FINISHED, pipelines, windows, 0)


def wait(
    database: Database, pipelines: Sequence[str], windows: int, behind: int, *, backoff: bool = False
) -> None:
    """Each gets so many PENDING windows behind the first `behind` minutes; in backoff for years, or ready."""
    far = MINUTES[database.dialect].format(n=60 * 24 * 365 * 100)
    words = {"not_before": far, "attempt": "1"} if backoff else {"not_before": "NULL", "attempt": "0"}
    _insert(database, WAITING, pipelines, windows, behind, **words)


def _insert(
    database: Database, sql: str, pipelines: Sequence[str], windows: int, behind: int, **words: str
) -> None:
    minute, each, named = MINUTES[database.dialect], EACH[database.dialect], json.dumps(list(pipelines))
    start, end = minute.format(n=f"n + {behind}"), minute.format(n=f"n + {behind} + 1")
    words |= {"start": start, "end": end, "day": DAY[database.dialect].format(start=start), "each": each}
    execute(database, ANNOUNCE.format(each=each), pipelines=named)
    values = sql.format(series=SERIES[database.dialect], **words)
    execute(database, values, pipelines=named, windows=windows)


def execute(database: Database, sql: str, **parameters: object) -> None:
    """SQL of our own, behind the framework's back."""
    with database._engine.connect() as connection:
        connection.execute(text(sql), parameters)
        connection.commit()


@contextmanager
def quickly(database: Database) -> Iterator[None]:
    """Rows that nothing sealed can be crossed by come in without being asked, and without a log of each."""
    if database.dialect == "postgresql":
        execute(database, "ALTER TABLE pipeline_records DISABLE TRIGGER USER")
    yield
    if database.dialect == "postgresql":
        execute(database, "ALTER TABLE pipeline_records ENABLE TRIGGER USER")


def settle(database: Database) -> None:
    """What autovacuum would have done by the time a table is that large."""
    sql = "VACUUM ANALYZE" if database.dialect == "postgresql" else "ANALYZE"
    with database._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(sql))
        if database.dialect == "postgresql":
            connection.execute(text("CHECKPOINT"))


COVERED = """
INSERT INTO pipeline_coverage (pipeline_id, target_day, sealed_from, sealed_to, windows, target_rows,
    loaded, empty, already_present, skipped)
SELECT :pipeline_id, {day}, {start}, {end}, 1440, 1440000, 1440, 0, 0, 0 FROM {series}"""


def seal_all(database: Database, pipeline_id: str) -> int:
    """Seal as many cleanups would, one after the other; how many days."""
    return sum(iter(lambda: seal(database, PipelineKey(pipeline_id)), 0))


def cover(database: Database, pipeline_id: str, days: int) -> None:
    """What sealing makes of the first days of `finish`, without the years of cleanups it would take."""
    minute = MINUTES[database.dialect]
    start, end = minute.format(n="n * 1440"), minute.format(n="(n + 1) * 1440")
    values = COVERED.format(
        start=start, end=end, day=DAY[database.dialect].format(start=start), series=SERIES[database.dialect]
    )
    execute(database, values, pipeline_id=pipeline_id, windows=days)

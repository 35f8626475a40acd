"""Claim and event by 16 processes on one SQLite file, in turns with their own updates of single rows.

The bare driver runs the shipped SQL; each claim is a durable transaction. Reach: 0.3 of the updates' rate;
the 99th percentile and the longest wait of anybody are told, aim below a second.
"""

import argparse
import random
import sqlite3
import time
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from _control import finish, wait

from pipeline_framework.control_table import Database, statements
from pipeline_framework.control_table.migrations import migrate

PROCESSES, TIMES = 16, 5
GIVEN = {
    "pipeline_id": "1",
    "mapping_name": "",
    "dag_id": "dag",
    "run_slot": 0,
    "owner": "host:1",
    "lease_seconds": 90,
    "since": "0001-01-01T00:00:00.000000Z",
    "watermark": "2090-01-01T00:00:00.000000Z",
}
UPDATE = "UPDATE plain SET n = n + 1 WHERE id = :id"


def work(path: str, sql: str, seconds: float) -> list[float]:
    """Run the statement again and again; milliseconds of each, the wait for the file included."""
    dice, times = random.Random(), []  # noqa: S311 - it guards nothing
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    ends = time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        drawn = {"dag_run_id": str(dice.randrange(1 << 62)), "id": dice.randrange(1, 1000)}
        durable(connection, sql, GIVEN | drawn, dice)
        times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return times


def durable(
    connection: sqlite3.Connection, sql: str, parameters: dict[str, Any], dice: random.Random
) -> None:
    """One transaction; a busy file is tried again more often the longer it was, as `Database` does."""
    began = time.perf_counter()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError:
            waited = time.perf_counter() - began
            time.sleep(dice.uniform(0.001, max(0.003, 0.05 / (1 + waited / 0.1))))
    connection.execute(sql, parameters).fetchall()
    connection.execute("COMMIT")


def together(path: str, sql: str, seconds: float) -> list[float]:
    """The times of all processes, sorted."""
    with get_context("fork").Pool(PROCESSES) as pool:
        jobs = [pool.apply_async(work, (path, sql, seconds)) for _ in range(PROCESSES)]
        return sorted(took for job in jobs for took in job.get())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=100_000, help="rows of the table")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    asked = parser.parse_args()
    count, seconds = asked.windows, asked.seconds
    waiting = max(count // 20, 40_000)
    with TemporaryDirectory(prefix="pipeline-figures-") as folder:
        path = str(Path(folder) / "control.db")
        with Database(f"sqlite:///{path}") as database:
            migrate(database)
            finish(database, ["1"], max(0, count - waiting))
            wait(database, ["1"], waiting, max(0, count - waiting))
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
            connection.executemany("INSERT INTO plain VALUES (?, 0)", ((n,) for n in range(1, 1000)))
        claim = statements.load("sqlite")["claim_oldest"].text
        pairs = [(together(path, claim, seconds), together(path, UPDATE, seconds)) for _ in range(TIMES)]
    ratio = median(len(ours) / len(theirs) for ours, theirs in pairs)
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    for title, runs in (("claims", ours), ("updates", theirs)):
        rate = median(len(run) for run in runs) / seconds
        p99 = median(run[int(len(run) * 0.99)] for run in runs)
        longest = median(run[-1] for run in runs)
        told = f"{rate:,.0f}/s, p99 {p99:.0f} ms, longest wait {longest:.0f} ms"
        print(f"SQLite, {count:,} rows, {PROCESSES} processes, {title}: {told}")
    print(f"ratio {ratio:.2f} (reach 0.3)")


if __name__ == "__main__":
    main()

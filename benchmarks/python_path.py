"""A claim, and a whole window with nothing to move, through the framework, in turns with the bare driver.

The driver runs the same statements with the same values, in the same transactions, on one durable server.
Reach: a claim 0.8 of the driver's rate, a window at most 1.3 times the driver's time.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import Any

import psycopg2
from _control import opened, quickly, settle, wait
from _postgres import Server, served

from pipeline_framework.control_table import Database, Holder, PipelineKey, claims, statements
from pipeline_framework.control_table.database import Transaction
from pipeline_framework.control_table.database.values import plain_value
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.interfaces import Loaded, Lock, Manifest
from pipeline_framework.operations.run import run_once
from pipeline_framework.pipeline import Pipeline

NOW = datetime(2000, 1, 1, 12, tzinfo=UTC)
KEY, MINE = PipelineKey("framework"), {"pipeline_id": "driver"}
Noted = list[list[tuple[str, dict[str, Any]]]]  # transactions of statements with their values


class NothingMoves:
    """A transfer that says it moved ten rows."""

    def __init__(self) -> None:
        self.target: dict[int, Loaded] = {}

    def check(self) -> Iterator[tuple[str, Callable[[], str]]]:
        return iter(())

    def source_count(self, lock: Lock) -> int:
        return 10

    def target_count(self, lock: Lock) -> int:
        return self.target[lock.record_id].rows if lock.record_id in self.target else 0

    def source_to_stage(self, lock: Lock) -> Manifest:
        return Manifest(f"window/{lock.epoch}", "digest", lock.epoch, "", (), 10, 0, 0, 100, 10)

    def stage_to_target(self, lock: Lock) -> Loaded:
        self.target[lock.record_id] = Loaded(lock.epoch, lock.owner, 10)
        return self.target[lock.record_id]

    def loaded(self, lock: Lock) -> Loaded | None:
        return self.target.get(lock.record_id)

    def clear_stage(self, lock: Lock) -> None:
        """Nothing is there."""

    def replaces(self) -> bool:
        return True


@contextmanager
def noted() -> Iterator[Noted]:
    """Every statement that the framework runs meanwhile, by transaction."""
    transactions: Noted = []
    run = Transaction.run
    known: dict[int, list[tuple[str, dict[str, Any]]]] = {}

    def noting(self: Transaction, name: str, /, **parameters: object) -> list[dict[str, Any]]:
        if id(self) not in known:
            known[id(self)] = []
            kept.append(self)
            transactions.append(known[id(self)])
        known[id(self)].append((name, parameters))
        return run(self, name, **parameters)

    kept: list[Transaction] = []  # so that no id is given twice
    Transaction.run = noting  # type: ignore[method-assign]
    try:
        yield transactions
    finally:
        Transaction.run = run  # type: ignore[method-assign]


class Driver:
    """The bare driver, on a pipeline of its own."""

    def __init__(self, server: Server) -> None:
        self.connection = psycopg2.connect(server.url)
        shipped = statements.load("postgresql").items()
        self.texts = {
            name: re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", each.text.replace("%", "%%"))
            for name, each in shipped
        }

    def replay(self, transactions: Noted) -> None:
        """The same statements, the window that was claimed here in the place of theirs."""
        held: dict[str, Any] = {}
        for transaction in transactions:
            cursor = self.connection.cursor()
            for name, parameters in transaction:
                mine = {key: value for key, value in (MINE | held).items() if key in parameters}
                bound = {key: plain_value(value) for key, value in (parameters | mine).items()}
                cursor.execute(self.texts[name], bound)
                rows = cursor.fetchall() if cursor.description else []
                if name == "claim_oldest":
                    names = [column.name for column in cursor.description or ()]
                    row = dict(zip(names, rows[0], strict=True))
                    held = {"id": row["id"], "epoch": row["lock_epoch"], "stage_epoch": row["lock_epoch"]}
            self.connection.commit()


def seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def told(title: str, pairs: list[tuple[float, float]], reach: str) -> None:
    ours, theirs = median(own for own, _ in pairs), median(other for _, other in pairs)
    ratio = median(own / other for own, other in pairs)
    print(
        f"{title}: {ours * 1000:.2f} ms, bare driver {theirs * 1000:.2f} ms, {ratio:.2f} times its time, "
        f"{1 / ratio:.2f} of its rate (reach {reach})",
        flush=True,
    )


def claim_pairs(server: Server, database: Database, times: int) -> list[tuple[float, float]]:
    """One claim each, in turns; every one is of a run of its own."""
    driver, pairs = Driver(server), []
    for number in range(times):
        holder = Holder("dag", f"run {number}", 0, "host:1", 90)
        span = {"watermark": datetime(2090, 1, 1, tzinfo=UTC), "lease_seconds": 90}
        with noted() as theirs:
            ours = seconds(
                lambda h=holder, s=span: claims.claim_oldest(database, PipelineKey("framework"), h, **s)
            )
        pairs.append((ours, seconds(lambda t=theirs: driver.replay(t))))
    return pairs


def window_pairs(server: Server, pipeline: Pipeline, times: int) -> list[tuple[float, float]]:
    """One window each, from generation to cleanup, in turns."""
    driver, pairs = Driver(server), []
    for _ in range(times):
        with noted() as theirs:
            ours = seconds(lambda: run_once(pipeline, NOW))
        pairs.append((ours, seconds(lambda t=theirs: driver.replay(t))))
    print(f"a window is {sum(map(len, theirs))} statements in {len(theirs)} transactions")
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    times = parser.parse_args().times
    with served() as (server, folder), Database(server.url) as database:
        migrate(database)
        pipeline = opened(folder, server.url, "framework")
        pipeline.transfer = NothingMoves()
        with quickly(database):
            wait(database, ["framework", "driver"], 720, 0)
        settle(database)
        told("one window, nothing to move", window_pairs(server, pipeline, min(times, 300)), "1.3 times")
        told("one claim", claim_pairs(server, database, min(times, 300)), "0.8 of its rate")


if __name__ == "__main__":
    main()

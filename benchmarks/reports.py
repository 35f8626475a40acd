"""What on-call asks and decides of one long pipeline, and a tick that adds nothing, once its days are sealed.

Seconds inside an open process; the reference is the same over a pipeline of 1,000 windows. Reach: 0.3 s.
"""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from _control import cover, finish, opened, quickly, seal_all, settle, wait
from _postgres import served

from pipeline_framework.control_table import Database
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.generation import generate
from pipeline_framework.operations.repair import Decision, force_reopen
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.gaps import gaps
from pipeline_framework.reports.history import Filter, windows
from pipeline_framework.reports.plan import plan
from pipeline_framework.reports.status import status

TIMES = 7
SHORT, SEALED_HERE = 1000, 20  # windows; days that are left to cleanups
WAITING = 300
Question = Callable[[Pipeline, datetime], object]


def last_hour(now: datetime) -> tuple[datetime, datetime]:
    """The last hour of which all windows are finished."""
    end = now - timedelta(minutes=WAITING)
    return end - timedelta(hours=1), end


def decided(now: datetime) -> Decision:
    """To load the last window of that hour again."""
    end = last_hour(now)[1]
    return Decision(end - timedelta(minutes=1), end, "benchmark", "measured")


QUESTIONS: dict[str, Question] = {
    "status": status,
    "gaps": lambda pipeline, _: gaps(pipeline),
    "first page of windows": lambda pipeline, _: list(islice(windows(pipeline, limit=100), 100)),
    "windows of an hour": lambda pipeline, now: list(windows(pipeline, Filter(*last_hour(now)), limit=100)),
    "first page of quarantined windows": lambda pipeline, _: list(
        windows(pipeline, Filter(status="FAILED"), limit=100)
    ),
    "plan, first 100": lambda pipeline, now: list(islice(plan(pipeline, now), 100)),
    "one window reopened": lambda pipeline, now: force_reopen(pipeline, decided(now)),
    "generation, nothing to add": generate,
}


def seconds(question: Question, pipeline: Pipeline, count: int) -> float:
    now = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=count)
    started = perf_counter()
    question(pipeline, now)
    return perf_counter() - started


def measure(folder: Path, url: str, count: int) -> None:
    with Database(url) as database:
        migrate(database)
        with quickly(database):
            for pipeline_id, size in (("long", count), ("short", SHORT)):
                finish(database, [pipeline_id], size - WAITING)
                wait(database, [pipeline_id], WAITING, size - WAITING)
        cover(database, "long", max(0, (count - WAITING) // 1440 - SEALED_HERE))
        settle(database)
        started = perf_counter()
        days = seal_all(database, "long")
        name = database.dialect
        print(f"{name}: the last {days:,} days sealed in {perf_counter() - started:.1f} s", flush=True)
    long, short = opened(folder, url, "long"), opened(folder, url, "short")
    for title, question in QUESTIONS.items():
        pairs = [(seconds(question, long, count), seconds(question, short, SHORT)) for _ in range(TIMES)]
        ours, theirs = median(own for own, _ in pairs), median(reference for _, reference in pairs)
        slower = median(own / reference for own, reference in pairs)
        print(
            f"{name}, {title}: {ours * 1000:.0f} ms over {count:,} windows, "
            f"{theirs * 1000:.0f} ms over {SHORT:,}: {slower:.1f} times",
            flush=True,
        )
    for each in (long, short):
        each.database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=100_000)
    count = parser.parse_args().windows
    with TemporaryDirectory(prefix="pipeline-figures-") as name:
        measure(Path(name), f"sqlite:///{name}/control.db", count)
    with served() as (server, folder):
        measure(folder, server.url, count)


if __name__ == "__main__":
    main()

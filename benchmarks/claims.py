"""Claim and event by pgbench with the shipped SQL, in turns with pgbench's own simple-update on one server.

fsync is on. Reach: 0.75 of its rate over 200 pipelines; 99th percentile at most twice that of 10,000 rows;
all on one pipeline 0.3, after 100,000 claims without a vacuum; 200,000 windows in backoff at the head and a
held snapshot cost at most twice as much.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg2
from _control import finish, quickly, settle, wait
from _postgres import Load, Server, measured, served

from pipeline_framework.control_table import Database, statements
from pipeline_framework.control_table.migrations import migrate

CLIENTS, PIPELINES, TIMES = 16, 200, 5
ONE, DEEP, FLAT = "1000", "1001", "1002"  # pipelines
SCRIPT = """\\set pipeline_id {pipelines}
\\set dag_run_id random(1, 9000000000000000000)
{claim};
"""
GIVEN = {"dag_id": "dag", "run_slot": "0", "owner": "host:1", "lease_seconds": "90"}
SPAN = {"since": "0001-01-01T00:00:00Z", "watermark": "2090-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Bench:
    """A filled server, and how many transactions one run makes."""

    server: Server
    folder: Path
    database: Database
    transactions: int

    def claims(self, pipelines: str) -> Load:
        """Claims over the pipelines that pgbench's expression names."""
        claim = statements.load("postgresql")["claim_oldest"].text.replace(":mapping_name", "''")
        script = self.folder / "claim.sql"
        script.write_text(SCRIPT.format(pipelines=pipelines, claim=claim))
        given = [word for name, value in (GIVEN | SPAN).items() for word in ("-D", f"{name}={value}")]
        return self.load("-f", str(script), *given)

    def reference(self) -> Load:
        """The same number of pgbench's own transactions: one update by key, one insert."""
        return self.load("-b", "simple-update")

    def load(self, *arguments: str) -> Load:
        each = max(1, self.transactions // CLIENTS)
        return measured(self.server, self.folder, "-c", str(CLIENTS), "-j", "2", "-t", str(each), *arguments)


def compared(title: str, ours: Callable[[], Load], reference: Callable[[], Load], reach: str) -> float:
    """Print the median ratio of rates and both latencies; our median 99th percentile."""
    ours(), reference()
    pairs = [(ours(), reference()) for _ in range(TIMES)]
    ratio = median(own.rate / other.rate for own, other in pairs)
    own, other = (summary([pair[side] for pair in pairs]) for side in (0, 1))
    print(
        f"{title}: {own.rate:,.0f}/s, reference {other.rate:,.0f}/s, ratio {ratio:.2f} (reach {reach}); "
        f"p50 {own.middle:.1f} ms, p99 {own.p99:.1f} ms, reference {other.middle:.1f} and {other.p99:.1f} ms",
        flush=True,
    )
    return own.p99


def summary(loads: list[Load]) -> Load:
    """The medians of several runs."""
    return Load(*(median(getattr(load, name) for load in loads) for name in ("rate", "middle", "p99")))


def numbered(first: int) -> list[str]:
    """As many pipelines as there are, named by numbers."""
    return [str(first + number) for number in range(PIPELINES)]


def fill(database: Database, windows: int, waiting: int) -> None:
    """A table of so many windows: 95 of 100 finished, as long as there are enough that wait."""
    each = waiting // PIPELINES
    done = max(0, windows - waiting) // PIPELINES
    with quickly(database):
        finish(database, numbered(0), done)
        wait(database, numbered(0), each, done)
    settle(database)


@contextmanager
def snapshot_held(server: Server) -> Iterator[None]:
    """A long report of somebody keeps every dead row from being removed."""
    connection = psycopg2.connect(server.url)
    connection.set_session(isolation_level="REPEATABLE READ")
    connection.cursor().execute("SELECT COUNT(*) FROM pipelines")
    yield
    connection.close()


def small(bench: Bench) -> float:
    """The 99th percentile over 10,000 rows, filled anew for each run, as they are used up."""
    loads = []
    for _ in range(TIMES):
        bench.server.run("TRUNCATE pipeline_records, pipelines, pipeline_record_events")
        fill(bench.database, 10_000, 10_000)
        few = Bench(bench.server, bench.folder, bench.database, 6000)
        loads.append(few.claims(f"random(0, {PIPELINES - 1})"))
    told = summary(loads)
    print(f"claims at 10,000 rows: {told.rate:,.0f}/s, p99 {told.p99:.1f} ms", flush=True)
    bench.server.run("TRUNCATE pipeline_records, pipelines, pipeline_record_events")
    return told.p99


def everywhere(bench: Bench, windows: int, p99_small: float) -> None:
    title = f"claims at {windows:,} rows, {PIPELINES} pipelines"
    spread = f"random(0, {PIPELINES - 1})"
    p99 = compared(title, lambda: bench.claims(spread), bench.reference, "0.75")
    print(f"p99 is {p99 / p99_small:.1f} times that at 10,000 rows (reach 2)", flush=True)


def one_pipeline(bench: Bench, claims: int) -> None:
    """Every claim on one pipeline, autovacuum off, behind the dead entries of `claims` claims."""
    bench.server.run("ALTER TABLE pipeline_records SET (autovacuum_enabled = off)")
    with quickly(bench.database):
        wait(bench.database, [ONE], claims + (TIMES + 2) * bench.transactions, 0)
    settle(bench.database)
    Bench(bench.server, bench.folder, bench.database, claims).claims(ONE)
    title = f"all claims on one pipeline, after {claims:,} without a vacuum"
    compared(title, lambda: bench.claims(ONE), bench.reference, "0.3")
    bench.server.run("ALTER TABLE pipeline_records RESET (autovacuum_enabled)")
    settle(bench.database)


def backoff(bench: Bench, waiting: int) -> None:
    """Windows in backoff before those that are ready, dead rows kept by a snapshot; against neither."""
    ready = (TIMES + 2) * bench.transactions
    with quickly(bench.database):
        for many, without, each in (
            (numbered(2000), numbered(3000), PIPELINES),
            ([DEEP], [FLAT], 1),
        ):
            wait(bench.database, many, waiting // each, 0, backoff=True)
            wait(bench.database, [*many, *without], ready * 2 // each, waiting // each)
    settle(bench.database)
    for ours, other, title in (
        (f"random(2000, {1999 + PIPELINES})", f"random(3000, {2999 + PIPELINES})", f"{PIPELINES} pipelines"),
        (DEEP, FLAT, "one pipeline"),
    ):
        with snapshot_held(bench.server):
            compared(
                f"{waiting:,} in backoff at the head of {title}, a held snapshot, against no backoff",
                lambda ours=ours: bench.claims(ours),
                lambda other=other: bench.claims(other),
                "0.5",
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=200_000, help="rows of the table")
    parser.add_argument("--transactions", type=int, default=4000, help="of one run of pgbench")
    parser.add_argument("--backoff", type=int, default=20_000, help="windows in backoff at the head")
    parser.add_argument("--without-vacuum", type=int, default=10_000, help="claims before the last ratio")
    asked = parser.parse_args()
    with served() as (server, folder), Database(server.url) as database:
        print(str(server.run("SELECT version()")[0][0]).partition(" on ")[0], flush=True)
        migrate(database)
        bench = Bench(server, folder, database, asked.transactions)
        p99_small = small(bench)
        server.pgbench("-i", "-q", "-s", str(max(1, asked.windows // 100_000)))
        fill(database, asked.windows, max(asked.windows // 20, (TIMES + 2) * asked.transactions))
        everywhere(bench, asked.windows, p99_small)
        one_pipeline(bench, asked.without_vacuum)
        backoff(bench, asked.backoff)


if __name__ == "__main__":
    main()

"""Stage to target with fence, ledger, count and transaction, against the bare system on the same Parquet.

DuckDB (aim: 0.95 of its speed): `CREATE TABLE AS` with DuckDB's own settings (rows in the order of the
file), and without that order. PostgreSQL, durable (aim: 0.85): one ADBC ingest into a table that it makes,
and into one with the index on the time that ours has; nobody fences, counts or writes that down.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import duckdb
from _postgres import served
from _rows import DAY, compare, day_file, lock_of
from adbc_driver_postgresql import dbapi
from pydantic import SecretStr

from implementations.duckdb import DuckDBTarget
from implementations.files import FilesSource
from implementations.object_store.local import LocalStage
from implementations.postgres.target import PostgresTarget
from pipeline_framework.interfaces import Staged


def main(duckdb_rows: int, postgres_rows: int) -> None:
    with TemporaryDirectory() as name:
        into_duckdb(staged(Path(name), duckdb_rows), duckdb_rows, Path(name) / "target.duckdb")
    with TemporaryDirectory() as name:
        into_postgres(staged(Path(name), postgres_rows), postgres_rows)


def staged(folder: Path, rows: int) -> Staged:
    """One day, staged."""
    stage = LocalStage(str(folder / "stage"))
    source = FilesSource(str(day_file(folder, rows, rows)), "time")
    return stage.staged(lock_of(1, stage.write(lock_of(1), source.read(DAY))))


def into_duckdb(staged: Staged, rows: int, path: Path) -> None:
    def load() -> None:
        path.unlink(missing_ok=True)
        DuckDBTarget(str(path), "target", "time").load(lock_of(1), staged)

    def reference(**settings: object) -> None:
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path), config=settings) as connection:
            connection.execute("CREATE TABLE target AS FROM read_parquet($1)", [staged.paths])

    told(rows, load, "CREATE TABLE AS", reference)
    told(rows, load, "CREATE TABLE AS in any order", lambda: reference(preserve_insertion_order=False))


def into_postgres(staged: Staged, rows: int) -> None:
    with served() as (server, _), dbapi.connect(server.url, autocommit=True) as connection:
        target = PostgresTarget(SecretStr(server.url), "target", "time")

        def load() -> None:
            server.run("DROP TABLE IF EXISTS target, pipeline_loads")
            target.load(lock_of(1), staged)

        def ingest(mode: Literal["create", "append"], *statements: str) -> None:
            server.run("; ".join(["DROP TABLE IF EXISTS bare", *statements]))
            with connection.cursor() as cursor:
                cursor.adbc_ingest("bare", staged.batches(), mode=mode)

        load()
        like = (
            "CREATE TABLE bare (LIKE target)",
            "CREATE INDEX ON bare USING brin (time) WITH (autosummarize)",
        )
        told(rows, load, "ADBC ingest", lambda: ingest("create"))
        told(rows, load, "ADBC ingest into a table with the same index", lambda: ingest("append", *like))


def told(rows: int, load: Callable[[], None], title: str, reference: Callable[[], None]) -> None:
    ours, theirs, speed = compare(load, reference)
    print(f"load {rows:,} rows: {ours:.2f} s, {title} {theirs:.2f} s, speed {speed:.2f} of it", flush=True)


if __name__ == "__main__":
    wanted = [int(rows) for rows in sys.argv[1:]]
    main(*(wanted or [3_000_000, 1_000_000]))

"""Peak memory of one window, each step in a fresh process: source to stage, stage to target, both in one.

From files to DuckDB, then into PostgreSQL and out of it. Largest resident set in MB, interpreter and
libraries included; the files' window is one row group of one file, the worst case for a reader. Bound:
300 MB, whatever the number of rows; exits with 1 when a step has more.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from _rows import DAY, day_file, lock_of
from pydantic import SecretStr

from pipeline_framework.interfaces import Manifest

BOUND = 300  # MB


def to_stage(folder: Path, rows: int) -> None:
    from implementations.files import FilesSource
    from implementations.object_store.local import LocalStage

    source = FilesSource(str(folder / f"{rows}.parquet"), "time")
    manifest = LocalStage(str(folder / "stage")).write(lock_of(1), source.read(DAY))
    assert manifest.rows == rows
    (folder / "marker").write_text(json.dumps([manifest.address, manifest.digest]))


def to_target(folder: Path, rows: int) -> None:
    from implementations.duckdb import DuckDBTarget
    from implementations.object_store.local import LocalStage

    address, digest = json.loads((folder / "marker").read_text())
    lock = lock_of(1, Manifest(address, digest))
    target = DuckDBTarget(str(folder / "target.duckdb"), "target", "time")
    target.load(lock, LocalStage(str(folder / "stage")).staged(lock))
    assert target.count(DAY) == rows


def both(folder: Path, rows: int) -> None:
    to_stage(folder, rows)
    to_target(folder, rows)


def to_postgres(folder: Path, rows: int) -> None:
    from implementations.object_store.local import LocalStage
    from implementations.postgres.target import PostgresTarget

    address, digest = json.loads((folder / "marker").read_text())
    lock = lock_of(1, Manifest(address, digest))
    target = PostgresTarget(SecretStr((folder / "url").read_text()), f"rows_{rows}", "time")
    assert target.load(lock, LocalStage(str(folder / "stage")).staged(lock)).rows == rows


def from_postgres(folder: Path, rows: int) -> None:
    from implementations.object_store.local import LocalStage
    from implementations.postgres.source import PostgresSource

    source = PostgresSource(SecretStr((folder / "url").read_text()), f"rows_{rows}", "time")
    assert LocalStage(str(folder / "stage")).write(lock_of(2), source.read(DAY)).rows == rows


STEPS = {
    "source to stage": to_stage,
    "stage to target": to_target,
    "both": both,
    "stage to PostgreSQL": to_postgres,
    "PostgreSQL to stage": from_postgres,
}


def main(sizes: list[int]) -> None:
    peaks = [*with_files(sizes), *with_postgres(sizes)]
    sys.exit(max(peaks) > BOUND)


def with_postgres(sizes: list[int]) -> Iterator[int]:
    from _postgres import served

    with served() as (server, _):
        for rows in sizes:
            with TemporaryDirectory() as name:
                (Path(name) / "url").write_text(server.url)
                day_file(Path(name), rows, rows)
                for step in ("source to stage", "stage to PostgreSQL", "PostgreSQL to stage"):
                    yield measured(step, name, rows)


def with_files(sizes: list[int]) -> Iterator[int]:
    for rows in sizes:
        with TemporaryDirectory() as name:
            day_file(Path(name), rows, rows)
            for step in ("source to stage", "stage to target"):
                yield measured(step, name, rows)
        with TemporaryDirectory() as name:
            day_file(Path(name), rows, rows)
            yield measured("both", name, rows)


def measured(step: str, folder: str, rows: int) -> int:
    """Peak memory in MB of a process that makes the step."""
    command = [sys.executable, __file__, step, folder, str(rows)]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{rows:,} rows, {step}: {peak} MB of {BOUND}", flush=True)
    return peak


if __name__ == "__main__":
    if len(sys.argv) > 3:
        STEPS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    else:
        main([int(rows) for rows in sys.argv[1:]] or [1_000_000, 20_000_000])

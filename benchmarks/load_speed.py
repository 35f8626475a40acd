"""Stage to DuckDB with fence, ledger, count and transaction, against CREATE TABLE AS of the same Parquet.

Speed as reference / ours: 1.0 is as fast as doing nothing but writing the table. Aim: at least 0.95.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from _rows import DAY, compare, day_file, lock_of

from implementations.duckdb import DuckDBTarget
from implementations.files import FilesSource
from implementations.object_store import LocalStage


def main(rows: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        stage = LocalStage(str(folder / "stage"))
        source = FilesSource(str(day_file(folder, rows, rows)), "time")
        staged = stage.staged(lock_of(1, stage.write(lock_of(1), source.read(DAY))))
        path = folder / "target.duckdb"

        def load() -> None:
            path.unlink(missing_ok=True)
            DuckDBTarget(str(path), "target", "time").load(lock_of(1), staged)

        def reference(**settings: object) -> None:
            path.unlink(missing_ok=True)
            with duckdb.connect(str(path), config=settings) as connection:
                connection.execute("CREATE TABLE target AS FROM read_parquet($1)", [staged.paths])

        references = {
            "CREATE TABLE AS": reference,
            "CREATE TABLE AS in any order": lambda: reference(preserve_insertion_order=False),
        }
        for title, work in references.items():
            ours, theirs, speed = compare(load, work)
            print(f"load {rows:,} rows: {ours:.2f} s, {title} {theirs:.2f} s, speed {speed:.2f} of it")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000)

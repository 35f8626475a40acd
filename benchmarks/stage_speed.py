"""Files to stage, counted and checked, against pyarrow reading and writing the same rows as Parquet.

Speed as reference / ours. The reference streams as well: `iter_batches`, then `ParquetWriter` with its
own defaults, and with the stage's compression.
"""

import sys
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from _rows import DAY, compare, day_file, lock_of

from implementations.files import FilesSource
from implementations.object_store.local import LocalStage


def main(rows: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        path, out, root = day_file(folder, rows, rows), folder / "plain.parquet", folder / "stage"

        def stage() -> None:
            rmtree(root, ignore_errors=True)
            LocalStage(str(root)).write(lock_of(1), FilesSource(str(path), "time").read(DAY))

        def plain(**settings: object) -> None:
            with pq.ParquetFile(path) as file, pq.ParquetWriter(out, file.schema_arrow, **settings) as writer:
                for batch in file.iter_batches(122_880):
                    writer.write_batch(batch)

        references = {
            "pyarrow with its defaults": plain,
            "pyarrow with zstd 1": lambda: plain(compression="zstd", compression_level=1),
        }
        for title, reference in references.items():
            ours, theirs, speed = compare(stage, reference, 5)
            size = sum(part.stat().st_size for part in root.rglob("*.parquet")) / out.stat().st_size
            figures = f"{ours:.2f} s, {title} {theirs:.2f} s, speed {speed:.2f} of it, size {size:.2f} of it"
            print(f"stage {rows:,} rows: {figures}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000)

"""One hour of a day's file: count and read with statistics, against the same file without them."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from _rows import compare, day_file, hour

from implementations.files import FilesSource
from implementations.reading.parquet_files import footer
from pipeline_framework.windows import Window


def main(rows: int) -> None:
    with TemporaryDirectory() as name:
        path = day_file(Path(name), rows, rows // 240)
        bare = Path(name, "bare.parquet")
        pq.write_table(pq.read_table(path), bare, row_group_size=rows // 240, write_statistics=False)
        pruned, scanned = FilesSource(str(path), "time"), FilesSource(str(bare), "time")

        def count(source: FilesSource) -> int:
            footer.cache_clear()
            return source.count(hour(7))

        def read(source: FilesSource, window: Window) -> int:
            footer.cache_clear()
            return sum(batch.num_rows for batch in source.read(window).batches)

        assert count(pruned) == count(scanned) == read(pruned, hour(7))
        for title, work in {"count": count, "read": lambda source: read(source, hour(7))}.items():
            ours, theirs, speed = compare(lambda work=work: work(pruned), lambda work=work: work(scanned))
            figures = f"{ours * 1000:.0f} ms with statistics, {theirs * 1000:.0f} ms without"
            print(f"{title} 1 hour of 24, {rows:,} rows: {figures}, {speed:.0f} times faster")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000)

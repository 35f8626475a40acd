"""What a stage hands to a target, made without a stage; and loads of it in processes of their own."""

import multiprocessing
from dataclasses import replace
from hashlib import sha256
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_framework.errors import Fenced
from pipeline_framework.interfaces import Lock, Manifest, Staged, StagedFile, Target


def processes() -> ForkServerContext:
    """Where a contract's processes come from: forks of one that has the imports, and no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def staged_in(folder: Path, table: pa.Table, rows: int | None = None) -> Staged:
    """A table as one staged Parquet file; `rows` is what its manifest says where that differs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"part-{len(list(folder.iterdir())):05}.parquet"
    pq.write_table(table, path)
    file = StagedFile(path.name, table.num_rows if rows is None else rows, path.stat().st_size)
    digest = sha256(path.read_bytes() + path.name.encode()).hexdigest()
    manifest = Manifest(
        str(folder), digest, files=(file,), rows=file.rows, bad_rows=0, source_count=file.rows
    )
    return Staged(manifest, table.schema, [str(path)], Read(str(path)))


class Read:
    """`Staged.batches` that can be sent to another process."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self) -> pa.RecordBatchReader:
        return pq.read_table(self.path).to_reader()


def load(job: tuple[Target, Lock, Staged]) -> int | None:
    """Rows that a load in this process reports; None where it was fenced off."""
    target, lock, staged = job
    try:
        return target.load(replace(lock, columns={}), staged).rows
    except Fenced:
        return None

"""Elasticsearch → S3 → PostgreSQL: a whole window with generation, locks, ledger and audit, against its legs.

The legs are the source's reading into the bucket and the target's load of it, called alone (reach: at most
1.1 times their sum). A window whose rows are there already is passed over on equal counts; the reference are
the two counts, called alone (reach: 1.2). One durable PostgreSQL holds control table and target; S3 is moto.
"""

import argparse
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from secrets import token_hex

import elasticsearch  # noqa: F401  the client's import belongs to neither side
from _elasticsearch import DAY, filled
from _elasticsearch import served as searched
from _postgres import Server, served
from _rows import compare, lock_of

from pipeline_framework import pipeline as pipelines
from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Database
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.operations.repair import Decision, reopen
from pipeline_framework.operations.run import run_once
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.transfers.streamed import StreamedTransfer
from tests.services.s3 import KEYS, client, from_moto

CONFIG = """
pipeline_id: whole
control: {{url: "{database}"}}
granularity: 1d
timezone: UTC
start: 2026-03-01
end: 2026-03-02
source: {{type: elasticsearch, url: "{search}", index: {index}, time_field: "@timestamp"}}
stage: {{type: s3, url: "s3://{bucket}/stage", endpoint: "{s3}", region: us-east-1, {keys}}}
target: {{type: postgres, url: "{database}", table: events, time_field: "@timestamp"}}
"""
NOW = DAY.end + timedelta(days=3)


def opened(folder: Path, server: Server, search: str, index: str, s3: str) -> Pipeline:
    """The pipeline, with a bucket of its own."""
    bucket = f"figures-{token_hex(4)}"
    client(s3).create_bucket(Bucket=bucket)
    keys = ", ".join(f'{name}: "{value}"' for name, value in KEYS.items())
    places = {"database": server.url, "search": search, "index": index, "s3": s3, "bucket": bucket}
    file = folder / "pipeline.yml"
    file.write_text(CONFIG.format(keys=keys, **places))
    config = load_final_config(file)
    return Pipeline(config, Database(server.url), pipelines.this_process(config))


def again(pipeline: Pipeline) -> None:
    """The window waits once more."""
    reopen(pipeline, Decision(DAY.start, DAY.end, "benchmark", "again"))


def whole(pipeline: Pipeline) -> None:
    """The window from its claim to its end."""
    outcome = run_once(pipeline, NOW)
    assert outcome.done, outcome.explanation


def legs(pipeline: Pipeline, epochs: "count[int]") -> None:
    """What moves the rows, and nothing else; for another window's folder, whose rows it replaces."""
    parts, epoch = parts_of(pipeline), next(epochs)
    manifest = parts.stage.write(lock_of(epoch, window=DAY), parts.source.read(DAY))
    lock = lock_of(epoch, manifest, DAY)
    parts.target.load(lock, parts.stage.staged(lock))


def forgotten(server: Server) -> None:
    """The window is new to the control table, its rows are there."""
    server.run("DELETE FROM pipeline_records")


def counted(pipeline: Pipeline) -> None:
    """The two counts alone."""
    parts = parts_of(pipeline)
    assert parts.source.count(DAY) == parts.target.count(DAY)


def parts_of(pipeline: Pipeline) -> StreamedTransfer:
    """Source, stage and target."""
    assert isinstance(pipeline.transfer, StreamedTransfer)
    return pipeline.transfer


def main(rows: int, times: int) -> None:
    with ExitStack() as stack:
        server, folder = stack.enter_context(served())
        search, s3 = stack.enter_context(searched()), stack.enter_context(from_moto([]))
        assert s3
        index = filled(search, rows)
        pipeline = opened(folder, server, search, index, s3)
        migrate(pipeline.database)
        told(rows, times, pipeline, server)
        pipeline.database.close()


def told(rows: int, times: int, pipeline: Pipeline, server: Server) -> None:
    """Both figures."""
    assert run_once(pipeline, NOW).done
    epochs = count(1)
    server.run("CREATE TABLE alone (LIKE events)")
    alone = Pipeline(pipeline.config, pipeline.database, pipeline.holder)
    alone.transfer = aside(parts_of(pipeline))
    ours, theirs, speed = compare(
        lambda: whole(pipeline), lambda: legs(alone, epochs), times, lambda: again(pipeline)
    )
    title = f"whole window of {rows:,} rows: {ours:.2f} s, its legs {theirs:.2f} s"
    print(f"{title}, {1 / speed:.2f} times (reach 1.1)", flush=True)
    ours, theirs, speed = compare(
        lambda: whole(pipeline), lambda: counted(pipeline), times, lambda: forgotten(server)
    )
    title = f"passed over: {ours * 1000:.0f} ms, its counts {theirs * 1000:.0f} ms"
    print(f"{title}, {1 / speed:.2f} times (reach 1.2)", flush=True)


def aside(parts: StreamedTransfer) -> StreamedTransfer:
    """The same parts, with a table of their own."""
    return replace(parts, target=replace(parts.target, table="alone"))  # type: ignore[type-var]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    main(asked.rows, asked.times)

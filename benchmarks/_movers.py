"""Ways from an Elasticsearch to Parquet, each run in a fresh process: ours, and what else there is.

`python _movers.py NAME URL INDEX FOLDER S3` prints seconds, seconds of the processor and the peak of memory
in MB as JSON; imports are done before the clock starts.
"""

import json
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

START, END = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
WITHIN = {"range": {"@timestamp": {"gte": START, "lt": END}}}
PAGE = 5000
KEYS = {"access_key_id": "figures", "secret_access_key": "none"}

Mover = Callable[[], object]


def ours(url: str, index: str, folder: Path, s3: str) -> Mover:
    """The whole phase: point in time, count, slices, strict schema, shard checks, manifest."""
    del s3
    from implementations.object_store.local import LocalStage

    return _phase(url, index, LocalStage(str(folder)))


def ours_s3(url: str, index: str, folder: Path, s3: str) -> Mover:
    """The same into a bucket."""
    from pydantic import SecretStr

    from implementations.object_store.bucket import BucketStage

    known = {name: SecretStr(value) for name, value in KEYS.items()}
    stage = BucketStage(f"s3://{folder.name}/stage", endpoint=s3, region="us-east-1", **known)
    return _phase(url, index, stage)


def _phase(url: str, index: str, stage: Any) -> Mover:
    import elasticsearch  # noqa: F401
    import obstore  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    from _elasticsearch import DAY
    from _rows import lock_of
    from pydantic import SecretStr

    from implementations.elasticsearch.source import ElasticsearchSource

    source = ElasticsearchSource(SecretStr(url), index, "@timestamp")
    return lambda: stage.write(lock_of(1, window=DAY), source.read(DAY))


def floor(url: str, index: str, folder: Path, s3: str) -> Mover:
    """Every step alone, one after the other: fetch, parse with the fastest parser known, write; no checks."""
    del s3
    import http.client
    from urllib.parse import urlsplit

    import msgspec
    import pyarrow as pa
    import pyarrow.parquet as pq
    from _elasticsearch import PROPERTIES

    from implementations._search.answers import Hit, Page, edges
    from implementations._search.mapping import schema_of
    from implementations.reading.documents import Documents

    documents = Documents(schema_of(PROPERTIES, {}), "discard", index)
    pages = msgspec.json.Decoder(Page[Hit[documents.struct]])  # type: ignore[name-defined]
    few = ["level", "service", "status", "ok", "retries"]

    def run() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)

        def ask(method: str, path: str, body: object = None) -> bytes:
            sent = json.dumps(body) if body else None
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            return connection.getresponse().read()

        pit = {"id": json.loads(ask("POST", f"/{index}/_pit?keep_alive=5m"))["id"], "keep_alive": "5m"}
        how = {"query": {"bool": {"filter": [WITHIN]}}, "sort": ["_shard_doc"], "track_total_hits": False}
        writer = pq.ParquetWriter(
            folder / "floor.parquet",
            documents.schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=few,
        )
        for part in range(2):
            body, waiting = {**how, "pit": pit, "slice": {"id": part, "max": 2}, "size": PAGE}, []
            while hits := pages.decode(answer := ask("POST", "/_search", body)).hits.hits:
                waiting.append(documents.batch([hit.source for hit in hits]))
                body["search_after"] = edges(answer, index)[1]
                if len(waiting) == 24:
                    writer.write_table(pa.Table.from_batches(waiting))
                    waiting.clear()
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting))
        writer.close()

    return run


def _pages(url: str, index: str) -> Iterator[list[dict[str, Any]]]:
    """Documents page by page at one point in time, as the client's own guide has it."""
    from elasticsearch import Elasticsearch

    with Elasticsearch(url) as client:
        pit = {"id": client.open_point_in_time(index=index, keep_alive="5m")["id"], "keep_alive": "5m"}
        after: dict[str, Any] = {}
        while True:
            hits = client.search(pit=pit, query=WITHIN, sort=["_shard_doc"], size=PAGE, **after)["hits"][
                "hits"
            ]
            if not hits:
                return
            yield [hit["_source"] for hit in hits]
            after = {"search_after": hits[-1]["sort"]}


def dlt_arrow(url: str, index: str, folder: Path, s3: str) -> Mover:
    """dlt, given Arrow tables."""
    del s3
    import pyarrow as pa

    return _dlt(folder, lambda: (pa.Table.from_pylist(page) for page in _pages(url, index)))


def dlt_pages(url: str, index: str, folder: Path, s3: str) -> Mover:
    """dlt, given pages of documents."""
    del s3
    return _dlt(folder, lambda: _pages(url, index))


def _dlt(folder: Path, items: Callable[[], Iterator[Any]]) -> Mover:
    import dlt
    import elasticsearch  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    into = dlt.destinations.filesystem(bucket_url=folder.as_uri())
    pipeline = dlt.pipeline(
        "figures", destination=into, dataset_name="events", pipelines_dir=str(folder / "pipelines")
    )
    return lambda: pipeline.run(dlt.resource(items, name="events"), loader_file_format="parquet")


def scan(url: str, index: str, folder: Path, s3: str) -> Mover:
    """`helpers.scan`, a frame of pandas, Parquet, boto3."""
    import boto3
    import pandas as pd
    import pyarrow.parquet  # noqa: F401
    from elasticsearch import Elasticsearch
    from elasticsearch.helpers import scan as scanned

    own = {f"aws_{name}": value for name, value in KEYS.items()}
    bucket = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **own)

    def run() -> None:
        with Elasticsearch(url) as client:
            hits = scanned(client, index=index, query={"query": WITHIN}, size=PAGE)
            frame = pd.DataFrame([hit["_source"] for hit in hits])
        frame["@timestamp"] = pd.to_datetime(frame["@timestamp"])
        frame.to_parquet(folder / "events.parquet")
        bucket.upload_file(str(folder / "events.parquet"), folder.name, "events.parquet")

    return run


MOVERS = {each.__name__: each for each in (ours, ours_s3, floor, dlt_arrow, dlt_pages, scan)}

if __name__ == "__main__":
    name, url, index, folder, s3 = sys.argv[1:]
    work = MOVERS[name](url, index, Path(folder), s3)
    started, used = perf_counter(), process_time()
    work()
    figures = {"seconds": perf_counter() - started, "processor": process_time() - used}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**figures, "peak": peak}))

"""An Elasticsearch of its own for figures, filled with a day of log events, and its use of the processor."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

from pipeline_framework.windows import Window
from tests.services.elasticsearch import ELASTICSEARCH

DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
WORDS = [
    "connection",
    "accepted",
    "request",
    "finished",
    "upstream",
    "timeout",
    "retry",
    "cache",
    "hit",
    "miss",
]
KINDS = {
    "date": ["@timestamp"],
    "keyword": ["level", "service"],
    "integer": ["status", "retries"],
    "long": ["bytes", "user_id"],
    "double": ["duration_ms"],
    "boolean": ["ok"],
}
PROPERTIES: dict[str, Any] = {
    **{name: {"type": kind} for kind, names in KINDS.items() for name in names},
    "message": {"type": "text", "index": False},
    "trace_id": {"type": "keyword", "index": False},
    "http": {"properties": {name: {"type": "keyword"} for name in ("method", "path", "host")}},
}


@contextmanager
def served() -> Iterator[str]:
    """The URL of a server that ends with the block, or of the one PIPELINE_BENCH_ELASTICSEARCH_URL names."""
    if url := os.environ.get("PIPELINE_BENCH_ELASTICSEARCH_URL"):
        yield url
        return
    reasons: list[str] = []
    with ELASTICSEARCH.served(reasons) as started:
        if not started:
            raise SystemExit(f"no Elasticsearch to be had: {'; '.join(reasons)}")
        yield started


def filled(url: str, rows: int) -> str:
    """An index of so many events in 4 shards, spread evenly over the day; made where it is not there yet."""
    index = f"events_{rows}"
    with httpx.Client(base_url=url, timeout=600) as client:
        if client.get(f"/{index}/_count").json().get("count") == rows:
            return index
        client.delete(f"/{index}")
        settings = {"number_of_shards": 4, "number_of_replicas": 0, "refresh_interval": "-1"}
        body = {"settings": settings, "mappings": {"properties": PROPERTIES}}
        client.put(f"/{index}", json=body).raise_for_status()
        random = Random(20260301)  # noqa: S311 - it makes rows, no secrets
        for start in range(0, rows, 10_000):
            lines = "".join(_line(random, number, rows) for number in range(start, min(rows, start + 10_000)))
            kind = {"Content-Type": "application/x-ndjson"}
            sent = client.post(f"/{index}/_bulk", content=lines.encode(), headers=kind).json()
            assert not sent["errors"]
        client.post(f"/{index}/_refresh").raise_for_status()
        client.post(f"/{index}/_forcemerge?max_num_segments=4").raise_for_status()
    return index


def processor_seconds(url: str) -> float:
    """What the server has used of the processor until now, by /proc."""
    nodes = httpx.get(f"{url}/_nodes/process").json()["nodes"]
    with open(f"/proc/{next(iter(nodes.values()))['process']['id']}/stat") as file:  # noqa: PTH123
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _line(random: Random, number: int, rows: int) -> str:
    at = DAY.start + (DAY.end - DAY.start) * number / rows
    event = {
        "@timestamp": (at - timedelta(microseconds=at.microsecond % 1000)).isoformat(timespec="milliseconds"),
        "level": random.choice(["INFO", "WARN", "ERROR", "DEBUG"]),
        "service": f"service-{random.randrange(20)}",
        "message": " ".join(random.choices(WORDS, k=8)),
        "status": random.choice([200, 201, 404, 500]),
        "duration_ms": round(random.random() * 1000, 3),
        "bytes": random.randrange(10**7),
        "user_id": random.randrange(10**9),
        "trace_id": f"{random.getrandbits(128):032x}",
        "ok": random.random() < 0.9,
        "retries": random.randrange(4),
        "http": {
            "method": random.choice(["GET", "POST"]),
            "path": f"/api/v1/items/{random.randrange(10**5)}",
            "host": f"host-{random.randrange(50)}.example.com",
        },
    }
    return '{"create": {}}\n' + json.dumps(event, separators=(",", ":")) + "\n"

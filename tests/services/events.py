"""48 hours of made-up log events, the same in every run: what a pipeline moves, told by none of its code.

Difficult on purpose: nested objects, lists, nulls, missing fields, unicode, the ends of 64 bits, many events
on one instant, events exactly on the edges of windows and one tick beside them.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = 48
WINDOW = timedelta(hours=2)
TICK = timedelta(milliseconds=1)  # the finest that a `date` of Elasticsearch keeps
MAPPING = {
    "at": {"type": "date"},
    "number": {"type": "long"},
    "kind": {"type": "keyword"},
    "text": {"type": "text"},
    "size": {"type": "long"},
    "share": {"type": "double"},
    "good": {"type": "boolean"},
    "tags": {"type": "keyword"},
    "place": {"properties": {"name": {"type": "keyword"}, "height": {"type": "double"}}},
}
COLUMNS = {"tags": "list<string>"}
TEXTS = ["", " ", "null", "a\"b'c\\d", "line\nline\ttab", "日本語 🛫 é", "0" * 300, None]
SIZES = [0, -1, 2**63 - 1, -(2**63), 2**53 + 1, None]
SHARES = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, None]


def events() -> list[dict[str, Any]]:
    """Every event as a row: all of its fields, those it lacks as None, its time as a datetime."""
    random = Random(20260301)
    return [{"number": number, **event(random, at)} for number, at in enumerate(times(random))]


def times(random: Random) -> Iterator[datetime]:
    """Where events lie: at random, crowded on one instant, on both sides of every edge."""
    for _ in range(1500):
        yield FIRST + timedelta(microseconds=random.randrange(HOURS * 3600 * 10**6))
    yield from [FIRST + timedelta(hours=7, milliseconds=5)] * 300
    for edge in range(HOURS // 2):
        for step in (timedelta(0), TICK, WINDOW - TICK):
            yield FIRST + edge * WINDOW + step


def event(random: Random, at: datetime) -> dict[str, Any]:
    """One event at that time."""
    place = {"name": random.choice(["Köln", "NYC", None]), "height": random.choice([53.5, None])}
    return {
        "at": at,
        "kind": random.choice(["start", "stop", "move", None]),
        "text": random.choice(TEXTS),
        "size": random.choice(SIZES),
        "share": random.choice(SHARES),
        "good": random.choice([True, False, None]),
        "tags": random.choice([[], ["a"], ["b", "a", "b"], None]),
        "place": random.choice([place, None]),
    }


def document(row: dict[str, Any]) -> dict[str, Any]:
    """The event as it is sent: of what is None, every third is written as null and the rest left out."""
    written = {name: value for name, value in row.items() if value is not None or row["number"] % 3 == 0}
    return {**written, "at": row["at"].isoformat(timespec="microseconds").replace("+00:00", "Z")}


def fill(server: str, index: str, shards: int) -> None:
    """Every event as a document of a new index of Elasticsearch."""
    body = {"settings": {"number_of_shards": shards, "number_of_replicas": 0}}
    mapping = {"mappings": {"properties": MAPPING}}
    httpx.put(f"{server}/{index}", json=body | mapping).raise_for_status()
    lines = [json.dumps({"create": {}}) + "\n" + json.dumps(document(row)) for row in events()]
    sent = httpx.post(
        f"{server}/{index}/_bulk?refresh=true",
        content="".join(f"{line}\n" for line in lines).encode(),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=60,
    )
    assert not sent.json()["errors"]


def told(rows: list[dict[str, Any]]) -> str:
    """Rows in the order of their events, columns and fields in one order, times in UTC."""
    return "\n".join(repr(plain(row)) for row in sorted(rows, key=lambda row: int(row["number"])))


def plain(row: dict[str, Any]) -> list[Any]:
    """One row of them."""
    columns = sorted({**row, "at": row["at"].astimezone(UTC)}.items())
    return [(name, sorted(value.items()) if isinstance(value, dict) else value) for name, value in columns]

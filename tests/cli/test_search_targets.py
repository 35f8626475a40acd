"""Elasticsearch → a folder → Elasticsearch and OpenSearch, by the command line, value by value."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Flights
from tests.services import events
from tests.services.go_between import Answered, Asked, go_between

pytestmark = [pytest.mark.services, pytest.mark.slow]

CONFIG = """\
pipeline_id: events
granularity: 4h
start: 2026-03-01
end: 2026-03-03
retry_seconds: 30
source:
  type: elasticsearch
  url: {source}
  index: {index}
  time_field: at
  columns: {{tags: list<string>}}
  page_rows: 100
  slices: 1
stage: {{type: local, path: stage}}
target: {{type: {type}, url: "{target}", index: {copy}, time_field: at, ledger: {ledger}}}
"""
WINDOWS = 12


@pytest.fixture
def index(elasticsearch_server: str, fresh_index: Callable[[], str]) -> str:
    """An index that holds every event."""
    name = fresh_index()
    mapping = {"mappings": {"properties": events.MAPPING}}
    httpx.put(f"{elasticsearch_server}/{name}", json=mapping).raise_for_status()
    written = (json.dumps(events.document(row)) for row in events.events())
    body = "".join(f'{{"create": {{}}}}\n{each}\n' for each in written)
    kind = {"Content-Type": "application/x-ndjson"}
    url = f"{elasticsearch_server}/{name}/_bulk?refresh=true"
    assert not httpx.post(url, content=body.encode(), headers=kind, timeout=60).json()["errors"]
    return name


def moved(folder: Path, **names: str) -> Flights:
    """The pipeline, after all of its windows were loaded."""
    (folder / "pipeline.yml").write_text(CONFIG.format(**names))
    pipeline = Flights(folder)
    answer = pipeline("run", "--until-caught-up", "--format", "json")
    assert answer.code == 0, answer.err
    assert [outcome["audit_result"] for outcome in answer.json] == ["loaded"] * WINDOWS
    return pipeline


def found(server: str, index: str) -> list[dict[str, Any]]:
    """Every document as an event: all of its fields, its time as a datetime."""
    hits = httpx.get(f"{server}/{index}/_search?size=10000", timeout=60).json()["hits"]["hits"]
    rows = [{**dict.fromkeys(events.MAPPING), **hit["_source"]} for hit in hits]
    return [{**row, "at": datetime.fromisoformat(row["at"])} for row in rows]


def test_elasticsearch_holds_every_event_as_it_was_made(
    tmp_path: Path, elasticsearch_server: str, index: str, fresh_index: Callable[[], str]
) -> None:
    """Row by row and value by value; though the source forgets its point in time once, in mid-read."""
    copy, forgotten = fresh_index(), list[str]()

    with go_between(elasticsearch_server) as between:

        def forget(asked: Asked, answer: Answered) -> Answered:
            if asked.path.startswith("/_search?") and not forgotten:
                forgotten.append(asked.json["pit"]["id"])
                url = f"{elasticsearch_server}/_pit"
                httpx.request("DELETE", url, json={"id": forgotten[0]}).raise_for_status()
            return answer

        between.after = forget
        names = {"source": between.url, "index": index, "target": elasticsearch_server}
        pipeline = moved(tmp_path, **names, type="elasticsearch", copy=copy, ledger=fresh_index())
        assert forgotten
        answer = pipeline("check")
        assert answer.code == 0, answer.out
        assert f"index {copy} takes documents" in answer.out
    assert events.told(found(elasticsearch_server, copy)) == events.told(events.events())


def test_opensearch_holds_every_event_as_it_was_made(
    tmp_path: Path,
    elasticsearch_server: str,
    opensearch_server: str,
    index: str,
    fresh_opensearch_index: Callable[[], str],
) -> None:
    """From one system into the other."""
    copy = fresh_opensearch_index()
    names = {"source": elasticsearch_server, "index": index, "target": opensearch_server}
    moved(tmp_path, **names, type="opensearch", copy=copy, ledger=fresh_opensearch_index())
    assert events.told(found(opensearch_server, copy)) == events.told(events.events())

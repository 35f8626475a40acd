"""The Elasticsearch source keeps the contract, on a real server."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.elasticsearch.source import ElasticsearchSource
from pipeline_framework.testing.source_contract import Fill, SourceContract
from pipeline_framework.testing.truth import TIME_FIELD

pytestmark = pytest.mark.services

MAPPING = {
    TIME_FIELD: {"type": "date"},
    "number": {"type": "long"},
    "unsigned": {"type": "keyword"},
    "small": {"type": "byte"},
    "ratio": {"type": "double"},
    "text": {"type": "keyword"},
    "flag": {"type": "boolean"},
    "tags": {"type": "keyword"},
    "place": {"properties": {"name": {"type": "keyword"}, "at": {"type": "double"}}},
}


def create(server: str, index: str, properties: object = MAPPING, shards: int = 3) -> None:
    """A new index, by no client of ours."""
    settings = {"number_of_shards": shards, "number_of_replicas": 0}
    body = {"settings": settings, "mappings": {"properties": properties}}
    answer = httpx.put(f"{server}/{index}", json=body)
    assert answer.is_success, answer.text


def told(value: object) -> str:
    """A time as ISO 8601 has it."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def index_rows(server: str, index: str, table: pa.Table) -> None:
    """Add the rows as documents; NULL is left out of every second one, and null in the others."""
    lines = []
    for number, row in enumerate(table.to_pylist()):
        document = {name: value for name, value in row.items() if value is not None or number % 2}
        lines += [json.dumps({"create": {}}), json.dumps(document, default=told)]
    body = "".join(f"{line}\n" for line in lines).encode()
    kind = {"Content-Type": "application/x-ndjson"}
    answer = httpx.post(f"{server}/{index}/_bulk?refresh=true", content=body, headers=kind).json()
    assert not answer["errors"], answer


class TestElasticsearch(SourceContract):
    """Every type that JSON and Elasticsearch share; a date keeps milliseconds."""

    columns = (TIME_FIELD, "number", "unsigned", "ratio", "text", "flag", "tags", "place")
    tick = timedelta(milliseconds=1)

    @pytest.fixture
    def filled(self, elasticsearch_server: str, fresh_index: Callable[[], str]) -> Fill:
        def fill(table: pa.Table) -> ElasticsearchSource:
            index = fresh_index()
            create(elasticsearch_server, index)
            index_rows(elasticsearch_server, index, table)
            columns = {"tags": "list<string>", "unsigned": "uint64", "place.at": "list<double>"}
            return ElasticsearchSource(
                SecretStr(elasticsearch_server), index, TIME_FIELD, columns=columns, page_rows=7, slices=2
            )

        return fill

"""Targets of Elasticsearch and OpenSearch: made, killed at work, and looked at by no client of ours."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import httpx
import pyarrow as pa
from pydantic import SecretStr

from implementations._search.target import SearchTarget
from implementations.elasticsearch.target import ElasticsearchTarget
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing import crashes, meeting
from pipeline_framework.testing.truth import INSTANT, SCHEMA, TIME_FIELD, WINDOW
from pipeline_framework.windows import Window
from tests.services.go_between import GoBetween

Kind = TypeVar("Kind", bound=SearchTarget)
ASKED = [
    "implementations.elasticsearch.client.ElasticsearchCluster.ask",
    "implementations.opensearch.client.OpenSearchCluster.ask",
]
REQUEST = "implementations._search.documents.REQUEST"


def made(server: str, fresh_index: Callable[[], str], **settings: Any) -> ElasticsearchTarget:
    """A target of an index and a ledger of its own."""
    named = {"index": fresh_index(), "ledger": fresh_index(), "time_field": TIME_FIELD}
    return ElasticsearchTarget(**{"url": SecretStr(server), **named, **settings})


def through(between: GoBetween, target: Kind) -> Kind:
    """The same target, reached by way of the go-between."""
    return replace(target, url=SecretStr(between.url))


def rows(window: Window = WINDOW, **columns: Any) -> pa.Table:
    """Rows on the window's start."""
    number = len(next(iter(columns.values())))
    return pa.table({TIME_FIELD: pa.array([window.start] * number, INSTANT), **columns})


def killed(target: Target, lock: Lock, staged: Staged, step: int, request: int) -> bool:
    """A load that dies before the request of that number; about so many bytes of rows go in one."""
    return crashes.killed(ASKED, target, lock, staged, step, values={REQUEST: request})


def documents(target: SearchTarget) -> list[dict[str, Any]]:
    """What is in the index, as it was sent, by no client of ours."""
    url = f"{target.url.get_secret_value()}/{target.index}/_search?size=10000"
    answer = httpx.get(url).raise_for_status().text
    return [hit["_source"] for hit in json.loads(answer, parse_float=Decimal)["hits"]["hits"]]


def table(target: SearchTarget) -> pa.Table:
    """The same as rows of the contract's types, and text where it has none."""
    found = documents(target)
    names = sorted({name for row in found for name in row})
    known = {field.name: field.type for schema in (meeting.SCHEMA, SCHEMA) for field in schema}
    kinds = {name: known.get(name, pa.string()) for name in names}
    rows = [{name: typed(row.get(name), kind) for name, kind in kinds.items()} for row in found]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def typed(value: Any, kind: pa.DataType) -> Any:
    """A value of JSON in Python."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [typed(each, kind.value_type) for each in value]
    if pa.types.is_struct(kind):
        return {field.name: typed(value.get(field.name), field.type) for field in kind}
    readers: list[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]]] = [
        (pa.types.is_floating, float),
        (pa.types.is_decimal, Decimal),
        (pa.types.is_timestamp, datetime.fromisoformat),
        (pa.types.is_date, date.fromisoformat),
        (pa.types.is_binary, base64.b64decode),
    ]
    return next((read(value) for fits, read in readers if fits(kind)), value)

"""The schema that editors use says the same as loading."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

from pipeline_framework.config import json_schema

CONTRACT = """\
pipeline_id: flights
timezone: America/New_York
granularity: 2h
x_time_back: 1d
start: "2013-01-01"
end: "2014-01-01"
stale_threshold_hours: 2
lease_seconds: 90
max_attempts: 3
control: {url: "sqlite:///control.db"}
source: {type: files, path: "data/*.parquet", time_field: time_hour}
stage: {type: local, path: stage}
target: {type: duckdb, path: warehouse.duckdb, table: flights, time_field: time_hour}
"""


def complaints(line: str) -> list[str]:
    """What an editor underlines in the contract with one line more (or replaced)."""
    values: dict[str, Any] = {**yaml.safe_load(CONTRACT), **yaml.safe_load(line)}
    return [error.message for error in Draft202012Validator(json_schema()).iter_errors(values)]


def test_every_key_is_described() -> None:
    """Editors show the meaning beside each key."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    described = {**schema["properties"], **schema["$defs"]["Control"]["properties"]}
    assert [name for name, each in described.items() if not each.get("description")] == []
    assert schema["required"] == ["pipeline_id", "granularity", "start"]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "lease_seconds: ${LEASE}",
        "max_attempts: ${N:-3}",
        "email_on_retry: ${MAIL}",
        "grid: ${GRID:-fixed}",
        "control: {conn_id: x, auto_migrate: '${AUTO}'}",
        "start: ${START}",
        "week_start: sunday",
        "email_list: a@b.c",
        "email_list: [a@b.c]",
        "transforms: [{type: rename, columns: {a: b}}]",
        "end: null",
    ],
)
def test_good_files_are_not_underlined(line: str) -> None:
    """Variables may stand for numbers and booleans."""
    assert complaints(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "granularty: 2h",
        "lease_seconds: 4",
        "lease_seconds: soon",
        "max_attempts: 1.5",
        "email_on_retry: perhaps",
        "grid: calender",
        "control: {ulr: x}",
        "source: {path: x}",
        "start: yesterday",
        "week_start: 7",
    ],
)
def test_mistakes_are_underlined(line: str) -> None:
    """Before anything is run."""
    assert complaints(line)

"""Keys of the pipeline file that decide which window runs: check_fields, order, ready, circuit_failures."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline_framework import pipeline as pipelines
from pipeline_framework.config import load_final_config, rules
from pipeline_framework.errors import Misuse
from pipeline_framework.generation import generate
from tests.unit.config.conftest import Loader

BODY = """pipeline_id: flights
granularity: 1h
start: 2013-01-01
source: {type: files, path: data, time_field: at}
stage: {type: local, path: stage}
target: {type: duckdb, path: w.duckdb, table: t, time_field: at}
"""
Problems = Callable[..., list[str]]


def test_columns_are_known_in_either_case(load: Loader) -> None:
    """`TARGET_DAY` and `target_day` are one column; they come to one form."""
    config = load(BODY + "check_fields: [TARGET_DAY, key_x, Window_Start_Time]\n")
    assert config.check_fields == ("target_day", "key_x", "window_start_time")
    assert config.for_functions()["check_fields"] == ["target_day", "key_x", "window_start_time"]


def test_one_column_may_stand_alone(load: Loader) -> None:
    """As for every list of texts."""
    assert load(BODY + "check_fields: KEY_X\n").check_fields == ("key_x",)


def test_unknown_columns_are_told_with_the_nearest_and_their_lines(problems: Problems) -> None:
    """A misspelling, a column that is only known later, and none that is near."""
    told = problems(BODY + "check_fields:\n  - target_dya\n  - key_x\n  - lock_epoch\n  - KEY_W\n")
    unknown = "is no column that a window has before it is locked."
    known = ", ".join(rules.CHECKED_FIELDS)
    assert told == [
        f"pipeline.yml:8: check_fields[0]: 'target_dya' {unknown} Did you mean 'target_day'?",
        f"pipeline.yml:10: check_fields[2]: 'lock_epoch' {unknown} Known: {known}.",
        f"pipeline.yml:11: check_fields[3]: 'KEY_W' {unknown} Did you mean 'key_z'?",
    ]


def test_every_column_that_may_be_named_is_filled_by_generation(tmp_path: Path) -> None:
    """With its keys and mapping set, a window passes a check of all of them."""
    keys = "".join(f"function_{letter}: '{{pipeline_id}}'\n" for letter in "xyz")
    checked = f"check_fields: [{', '.join(rules.CHECKED_FIELDS)}]\n"
    file = tmp_path / "pipeline.yml"
    file.write_text(BODY + keys + "mapping_name: daily\n" + checked)
    with pipelines.opened(load_final_config(file)) as pipeline:
        assert generate(pipeline, datetime(2013, 1, 1, 2, tzinfo=UTC)) == 2


@pytest.mark.parametrize("name", ["mapping_name", "KEY_X"])
def test_empty_column_stops_generation(tmp_path: Path, name: str) -> None:
    """Those that need not be filled are what the check is for."""
    file = tmp_path / "pipeline.yml"
    file.write_text(BODY + f"check_fields: [{name}]\n")
    with (
        pipelines.opened(load_final_config(file)) as pipeline,
        pytest.raises(Misuse, match=f"check_fields asks for {name.lower()}, which is empty"),
    ):
        generate(pipeline, datetime(2013, 1, 1, 2, tzinfo=UTC))


def test_defaults_let_windows_run_in_any_order(load: Loader) -> None:
    """Nobody is asked, and three failures in a row open the circuit."""
    config = load(BODY)
    assert (config.order, config.ready, config.circuit_failures) == ("any", None, 3)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("order: oldest", "order:"),
        ("ready: is_ready", "ready: 'is_ready' names no function. Write module:function."),
        ("ready: 'a b:c'", "ready: 'a b:c' names no function."),
        ("circuit_failures: -1", "circuit_failures: Must be 0 or more."),
        ("circuit_failures: yes", "circuit_failures: Must be a number, not true."),
    ],
)
def test_wrong_values_are_told_with_their_line(problems: Problems, line: str, told: str) -> None:
    """One sentence each."""
    (problem,) = problems(BODY + line + "\n")
    assert problem.startswith(f"pipeline.yml:7: {told}")

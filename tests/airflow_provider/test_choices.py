"""Which windows the parameters of a DAG run choose."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_framework import locking
from pipeline_framework.airflow_provider.runs import choice
from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Record, progress
from pipeline_framework.control_table.states import Result
from pipeline_framework.errors import Misuse
from pipeline_framework.generation import Choice, generate
from pipeline_framework.interfaces import Loaded
from pipeline_framework.operations.repair import Decision, skip
from pipeline_framework.pipeline import Pipeline, by_hand, opened
from pipeline_framework.reports.history import windows

START = datetime(2013, 3, 10, 5, tzinfo=UTC)  # midnight in New York
CONFIG = """
pipeline_id: chosen
timezone: America/New_York
granularity: 1h
start: 2013-03-10
end: 2013-03-10T07:00
source: {type: files, path: "*.parquet", time_field: at}
stage: {type: local, path: stage}
target: {type: duckdb, path: warehouse.duckdb, table: t, time_field: at}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """Six windows, from midnight to seven over a clock change, all of them finished."""
    file = tmp_path / "pipeline.yml"
    file.write_text(CONFIG)
    config = load_final_config(file)
    with opened(config, by_hand(config, "manual__1")) as pipeline:
        generate(pipeline, pipeline.database.now(), Choice())
        skip(pipeline, Decision(START, START + timedelta(hours=6), "ann", "done"))
        yield pipeline


def asked(pipeline: Pipeline, *, max_tries: int = 0, **params: Any) -> Choice:
    """What a run with these parameters wants."""
    ti = SimpleNamespace(max_tries=max_tries, try_number=1 + max_tries)
    context: Any = {"params": params, "ti": ti, "task": SimpleNamespace(retries=0)}
    return choice(pipeline, context)


def waiting(pipeline: Pipeline) -> list[float]:
    """Hours after midnight at which the windows that wait begin."""
    found = (record.window.start for record in windows(pipeline) if record.pipeline_status == "PENDING")
    return [(start - START) / timedelta(hours=1) for start in found]


def between(first: str, last: str | None = None) -> dict[str, Any]:
    """The parameters `from` and `to`, of which the first is no name in Python."""
    return {"from": first} | ({"to": last} if last else {})


def done(pipeline: Pipeline, record_id: int) -> Record:
    """The window that the run holds, finished."""
    rows = pipeline.database.run("record_by_id", id=record_id)
    return progress.complete(
        pipeline.database, Record.of(rows[0]).lock(), Result.ALREADY_PRESENT, source_count=1, target_count=1
    )


def test_from_and_to_choose_the_windows_that_they_touch(pipeline: Pipeline) -> None:
    """Local times; a window that an edge cuts is meant as a whole; nothing is put back unasked."""
    wanted = asked(pipeline, **between("2013-03-10T01:30", "2013-03-10T04:30"))
    assert wanted == Choice(first=START + timedelta(hours=1), last=START + timedelta(hours=4))
    assert waiting(pipeline) == []


def test_a_range_is_put_back_once_by_a_run(pipeline: Pipeline) -> None:
    """With `reload` its finished windows wait again; a further try of the run goes on with what is left."""
    params: dict[str, Any] = {"from": "2013-03-10T01:00", "to": "2013-03-10T04:00", "reload": True}
    wanted = asked(pipeline, **params)
    assert waiting(pipeline) == [1, 2]
    lock = locking.store_and_validate(pipeline, pipeline.database.now(), wanted)
    assert lock.window.start == START + timedelta(hours=1)
    done(pipeline, lock.record_id)
    again = asked(pipeline, **params)
    assert waiting(pipeline) == [2]
    lock = locking.store_and_validate(pipeline, pipeline.database.now(), again)
    assert lock.window.start == START + timedelta(hours=2)


def test_one_edge_is_enough(pipeline: Pipeline) -> None:
    """The other one is the pipeline's beginning, or now."""
    assert asked(pipeline, to="2013-03-10T01:00").first == START
    asked(pipeline, **between("2013-03-10T05:00"), reload=True)
    assert waiting(pipeline) == [4, 5]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"from": "2013-03-10T02:00Z", "to": "2013-03-10T02:00Z"}, "not before the parameter to"),
        ({"from": "2013-03-10", "window_start": "2013-03-10"}, "stands beside"),
        ({"to": "yesterday"}, "parameter to"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(
    pipeline: Pipeline, params: dict[str, Any], sentence: str
) -> None:
    """In a sentence, before a window is locked."""
    with pytest.raises(Misuse, match=sentence):
        asked(pipeline, **params)


def test_a_cleared_run_does_its_own_window_again(pipeline: Pipeline) -> None:
    """Airflow adds tries to a task that was cleared; without that the run is over with its window."""
    wanted = asked(pipeline, window_start="2013-03-10T01:00", reload=True)
    done(pipeline, locking.store_and_validate(pipeline, pipeline.database.now(), wanted).record_id)
    assert asked(pipeline) == Choice()
    assert asked(pipeline, max_tries=1) == Choice(window_start=START + timedelta(hours=1))
    assert waiting(pipeline) == [1]


@pytest.mark.parametrize(
    "params", [{"window_start": "2013-03-10T02:00"}, between("2013-03-10")], ids=["window", "range"]
)
def test_what_was_appended_is_not_reloaded(pipeline: Pipeline, params: dict[str, Any]) -> None:
    """Neither one window nor a range: the sentence of `pipeline reopen`, and nothing has moved."""
    was = Loaded(1, "somebody", 6)
    pipeline.__dict__["transfer"] = SimpleNamespace(replaces=lambda: False, loaded=lambda _: was)
    with pytest.raises(Misuse, match="was appended to the target already"):
        asked(pipeline, **params, reload=True)
    assert waiting(pipeline) == []

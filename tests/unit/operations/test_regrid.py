"""A grid that was changed starts earlier: the tail that nobody has touched is dropped and cut anew."""

import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from pipeline_framework import pipeline as pipelines
from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Holder, PipelineKey, Record, claims, events, progress, tail
from pipeline_framework.control_table.ranges import Order, register
from pipeline_framework.control_table.states import Result
from pipeline_framework.errors import NothingToDo
from pipeline_framework.generation import generate, ready_until
from pipeline_framework.operations.regrid import regrid, would_drop
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import windows
from tests.unit.conftest import CONFIG, NOW

GRIDS = ["30m", "1h", "2h", "7h", "1d"]
ZONES = ["UTC", "America/New_York", "Australia/Lord_Howe"]
ENDS = ["released", "failed", "completed", "held"]


@contextmanager
def opened(folder: Path, key: PipelineKey, url: str, granularity: str, zone: str) -> Iterator[Pipeline]:
    """The pipeline with that grid, without an end."""
    text = CONFIG.format(pipeline_id=key.pipeline_id, control_url=url).replace("end: 2013-01-02\n", "")
    text = text.replace("start: 2013-01-01", 'start: "2013-01-01T00:00:00Z"')
    text = text.replace("granularity: 1h", f"granularity: {granularity}\ntimezone: {zone}")
    (folder / "pipeline.yml").write_text(text)
    with pipelines.opened(load_final_config(folder / "pipeline.yml")) as pipeline:
        yield pipeline


def touch(pipeline: Pipeline, record: Record, how: str) -> None:
    """A run takes the window and leaves it in one of the ways it can."""
    holder = Holder("", secrets.token_hex(4), 0, "somebody", 60)
    held = claims.claim_window(
        pipeline.database, pipeline.key, holder, window_start=record.window_start_time, lease_seconds=60
    )
    assert held is not None
    if how == "released":
        progress.release(pipeline.database, held.lock(), "enough")
    elif how == "failed":
        progress.fail(pipeline.database, held.lock(), "no luck", backoff_seconds=0)
    elif how == "completed":
        progress.complete(pipeline.database, held.lock(), Result.LOADED)


def regridded(pipeline: Pipeline) -> int:
    """How many windows a regrid drops, none when it says that there is nothing to do."""
    try:
        return regrid(pipeline, actor="ann", reason="hours are too short")
    except NothingToDo:
        return 0


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    grids=st.lists(st.sampled_from(GRIDS), min_size=2, max_size=4),
    zones=st.lists(st.sampled_from(ZONES), min_size=4, max_size=4),
    hours=st.lists(st.integers(1, 40), min_size=4, max_size=4),
    touched=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(ENDS)), max_size=4),
)
def test_after_a_regrid_the_timeline_is_whole(
    control_url: str,
    grids: list[str],
    zones: list[str],
    hours: list[int],
    touched: list[tuple[int, str]],
) -> None:
    """Contiguous from the start, without overlap, never past the watermark; what was touched stays."""
    key, now = PipelineKey(f"regrid_{secrets.token_hex(6)}"), NOW
    with tempfile.TemporaryDirectory() as folder:
        for number, granularity in enumerate(grids):
            with opened(Path(folder), key, control_url, granularity, zones[number]) as pipeline:
                there = list(windows(pipeline))
                for index, how in touched[number : number + 1] if there else []:
                    record = there[index % len(there)]
                    if record.pipeline_status == "PENDING":
                        touch(pipeline, record, how)
                kept = tail.last_kept(pipeline.database, key)
                stay = [record.window for record in there if kept and record.window <= kept]
                regridded(pipeline)
                now += timedelta(hours=hours[number])
                generate(pipeline, now)
                after = [record.window for record in windows(pipeline)]
                assert after[: len(stay)] == stay
                assert [each.start for each in after[1:]] == [each.end for each in after[:-1]]
                assert not after or after[0].start == pipeline.config.start
                assert not after or after[-1].end <= ready_until(pipeline, now)


@pytest.fixture
def hourly(tmp_path: Path, key: PipelineKey, control_url: str) -> Iterator[Pipeline]:
    """Twelve windows of an hour, the fifth of them done."""
    with opened(tmp_path, key, control_url, "1h", "UTC") as pipeline:
        generate(pipeline, NOW)
        touch(pipeline, list(windows(pipeline))[4], "completed")
        yield pipeline


def test_a_regrid_drops_what_lies_behind_the_last_touched_window(
    hourly: Pipeline, tmp_path: Path, control_url: str
) -> None:
    """Only there the new grid may begin; earlier windows that wait stay as they were cut."""
    with opened(tmp_path, hourly.key, control_url, "2h", "UTC") as pipeline:
        expected = [row["window_start_time"] for row in would_drop(pipeline)]
        assert len(list(windows(pipeline))) == 12
        assert regrid(pipeline, actor="ann", reason="why") == len(expected) == 7
        generate(pipeline, NOW)
        starts = [record.window_start_time.hour for record in windows(pipeline)]
    assert starts == [0, 1, 2, 3, 4, 5, 6, 8, 10]


def test_each_dropped_window_leaves_a_trace(hourly: Pipeline, tmp_path: Path, control_url: str) -> None:
    """Who dropped it and why, and that it is deleted."""
    last = list(windows(hourly))[-1]
    with opened(tmp_path, hourly.key, control_url, "2h", "UTC") as pipeline:
        regrid(pipeline, actor="ann", reason="hours are too short")
        trace = events.history(pipeline.database, last.id)
    assert [event["move_name"] for event in trace][-2:] == ["regrid", "delete"]
    assert (trace[-2]["actor"], trace[-2]["reason"]) == ("ann", "hours are too short")


def test_windows_of_a_range_are_not_dropped(hourly: Pipeline, tmp_path: Path, control_url: str) -> None:
    """A backfill has them set aside, and goes on with them."""
    last = list(windows(hourly))[-1].window
    order = Order(last, "backfill", "ann", "why", 60)
    register(hourly.database, hourly.key, order)
    with opened(tmp_path, hourly.key, control_url, "2h", "UTC") as pipeline:
        with pytest.raises(NothingToDo, match="no window can be dropped"):
            regrid(pipeline, actor="ann", reason="why")
        assert len(list(windows(pipeline))) == 12


def test_the_same_grid_is_no_reason_to_drop_windows(hourly: Pipeline) -> None:
    """They would come back as they were."""
    with pytest.raises(NothingToDo, match="cut by the configured grid already"):
        regrid(hourly, actor="ann", reason="why")


def test_a_pipeline_without_windows_has_nothing_to_drop(
    tmp_path: Path, key: PipelineKey, control_url: str
) -> None:
    """A sentence, no traceback."""
    with (
        opened(tmp_path, key, control_url, "1h", "UTC") as pipeline,
        pytest.raises(NothingToDo, match="no window yet"),
    ):
        regrid(pipeline, actor="ann", reason="why")


def test_all_windows_may_go_when_none_was_touched(tmp_path: Path, key: PipelineKey, control_url: str) -> None:
    """The new grid then holds from the start."""
    with opened(tmp_path, key, control_url, "1h", "UTC") as pipeline:
        generate(pipeline, NOW)
    with opened(tmp_path, key, control_url, "4h", "UTC") as pipeline:
        assert regrid(pipeline, actor="ann", reason="why") == 12
        generate(pipeline, datetime(2013, 1, 1, 12, tzinfo=UTC))
        assert [record.time_interval for record in windows(pipeline)] == ["4h", "4h", "4h"]


@pytest.mark.services
def test_a_window_that_is_claimed_at_that_moment_keeps_all_before_it(
    postgres_control_url: str, tmp_path: Path, key: PipelineKey
) -> None:
    """A run takes the last window while the tail is being dropped: there is no tail any more."""
    holder = Holder("", "run", 0, "somebody", 60)
    with opened(tmp_path, key, postgres_control_url, "1h", "UTC") as pipeline:
        generate(pipeline, NOW)
        database, dropped = pipeline.database, list[int]()
        which = {"since": NOW - timedelta(days=1), "watermark": NOW, "lease_seconds": 60}
        dropping = threading.Thread(
            target=lambda: dropped.append(tail.drop(database, key, actor="ann", reason="why"))
        )
        with database.transaction() as claiming:
            assert claiming.run("claim_newest", **key.parameters, **holder.parameters, **which)
            dropping.start()
            dropping.join(0.5)
            assert dropping.is_alive()
        dropping.join(20)
        assert dropped == [0]
        assert len(list(windows(pipeline))) == 12


@pytest.mark.parametrize("how", ["released", "failed"])
def test_a_window_that_waits_again_is_not_dropped(
    hourly: Pipeline, tmp_path: Path, control_url: str, how: str
) -> None:
    """A run has held it once: it stays as it was cut, and all before it."""
    touch(hourly, list(windows(hourly))[-1], how)
    with (
        opened(tmp_path, hourly.key, control_url, "2h", "UTC") as pipeline,
        pytest.raises(NothingToDo, match="no window can be dropped"),
    ):
        regrid(pipeline, actor="ann", reason="why")

"""Which windows are due, how they are described, and which one a run gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline_framework import pipeline as pipelines
from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Holder
from pipeline_framework.errors import BadData, FutureData, LockConflict, Misuse, NothingPending
from pipeline_framework.generation import Choice, due, generate
from pipeline_framework.locking import store_and_validate
from pipeline_framework.operations.run import run_some
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import windows
from pipeline_framework.windows import Window
from tests.unit.conftest import CONFIG, NOW, ScriptedTransfer


@contextmanager
def changed(file: Path, *changes: tuple[str, str]) -> Iterator[Pipeline]:
    """The pipeline of the file after some edits."""
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    with pipelines.opened(load_final_config(file)) as pipeline:
        yield pipeline


def spans(pipeline: Pipeline) -> list[Window]:
    """Every window of the control table."""
    return [record.window for record in windows(pipeline)]


def assert_contiguous(found: list[Window]) -> None:
    """Each window begins where the one before ends."""
    assert [window.start for window in found[1:]] == [window.end for window in found[:-1]]


def someone_else(pipeline: Pipeline) -> Pipeline:
    """The same pipeline for another run."""
    return Pipeline(pipeline.config, pipeline.database, Holder("", "another run", 0, "another", 90))


def test_generating_again_adds_nothing(scripted: Pipeline) -> None:
    """Twelve hours are ready at noon; a second generation finds them all there."""
    assert generate(scripted, NOW) == 12
    assert generate(scripted, NOW) == 0
    assert_contiguous(spans(scripted))


def test_a_hole_in_the_middle_is_filled(scripted: Pipeline) -> None:
    """A later range that was generated first leaves a hole, and the next generation closes it."""
    later = Choice(first=NOW - timedelta(hours=3), last=NOW)
    assert generate(scripted, NOW, later) == 3
    assert generate(scripted, NOW) == 9
    assert_contiguous(spans(scripted))


def test_due_changes_nothing(scripted: Pipeline) -> None:
    """Asking is not adding."""
    assert len(list(due(scripted, NOW)[1])) == 12
    assert spans(scripted) == []


def test_a_new_granularity_is_bridged_and_history_stays(pipeline_file: Path) -> None:
    """The new grid starts where the last old window ends, with a shorter window up to its first tick."""
    with changed(pipeline_file) as pipeline:
        generate(pipeline, NOW + timedelta(hours=1))
        before = spans(pipeline)
    with changed(pipeline_file, ("granularity: 1h", "granularity: 4h")) as pipeline:
        generate(pipeline, datetime(2013, 1, 2, tzinfo=UTC))
        after = spans(pipeline)
    assert after[: len(before)] == before
    assert_contiguous(after)
    hours = [window.seconds / 3600 for window in after[len(before) :]]
    assert hours == [3, 4, 4]


def test_a_hole_is_cut_by_the_grid_of_its_time(pipeline_file: Path) -> None:
    """Windows that were lost from the old stretch come back as they were."""
    with changed(pipeline_file) as pipeline:
        generate(pipeline, NOW)
        before = spans(pipeline)
        lost = [record.id for record in windows(pipeline)][2:4]
    with changed(pipeline_file, ("granularity: 1h", "granularity: 4h")) as pipeline:
        generate(pipeline, datetime(2013, 1, 2, tzinfo=UTC))
        with pipeline.database.transaction() as transaction:
            transaction.script(f"DELETE FROM pipeline_records WHERE id IN ({lost[0]}, {lost[1]});")
            transaction.commit()
        assert generate(pipeline, datetime(2013, 1, 2, tzinfo=UTC)) == 2
        assert spans(pipeline)[: len(before)] == before


def test_an_earlier_start_is_filled_in_front(pipeline_file: Path) -> None:
    """Moving `start` back adds the windows before the first one."""
    with changed(pipeline_file) as pipeline:
        generate(pipeline, NOW)
    with changed(pipeline_file, ("start: 2013-01-01", "start: 2012-12-31")) as pipeline:
        assert generate(pipeline, NOW) == 24
        assert_contiguous(spans(pipeline))


def test_a_run_gets_its_own_window_back(scripted: Pipeline) -> None:
    """The same run holds one window, however often it asks, each time under a newer epoch."""
    first, again = store_and_validate(scripted, NOW), store_and_validate(scripted, NOW)
    assert first.record_id == again.record_id
    assert again.epoch > first.epoch


def test_two_runs_get_two_windows(scripted: Pipeline) -> None:
    """Oldest first."""
    mine, theirs = store_and_validate(scripted, NOW), store_and_validate(someone_else(scripted), NOW)
    assert theirs.window.start == mine.window.end


def test_a_chosen_window_comes_before_its_turn(scripted: Pipeline) -> None:
    """The parameter decides, not the age."""
    start = NOW - timedelta(hours=2)
    assert store_and_validate(scripted, NOW, Choice(start)).window.start == start


@pytest.mark.parametrize("start", [NOW, NOW + timedelta(days=400), NOW - timedelta(minutes=30)])
def test_a_choice_that_is_no_ready_window_is_refused(scripted: Pipeline, start: datetime) -> None:
    """In the future, or between two starts."""
    with pytest.raises(FutureData, match="pipeline windows"):
        store_and_validate(scripted, NOW, Choice(start))


def test_a_chosen_window_of_another_run_names_the_holder(scripted: Pipeline) -> None:
    """The conflict says who holds it."""
    held = store_and_validate(someone_else(scripted), NOW)
    with pytest.raises(LockConflict, match="another run"):
        store_and_validate(scripted, NOW, Choice(held.window.start))


def test_nothing_ready_says_what_others_do(scripted: Pipeline) -> None:
    """One window is ready and another run holds it."""
    early = datetime(2013, 1, 1, 1, tzinfo=UTC)
    with pytest.raises(NothingPending, match="no window is ready"):
        store_and_validate(scripted, datetime(2013, 1, 1, 0, 59, tzinfo=UTC))
    store_and_validate(someone_else(scripted), early)
    with pytest.raises(NothingPending, match="1 held by another run"):
        store_and_validate(scripted, early)


def test_keys_come_from_templates_and_functions(pipeline_file: Path) -> None:
    """A template knows the window in local time; a function gets the configuration and the record."""
    (pipeline_file.parent / "made_keys.py").write_text(
        "def day(final_config, record):\n"
        "    return f\"{final_config['granularity']}@{record['WINDOW_START_TIME']:%d}\"\n"
    )
    edit = ("granularity: 1h", "granularity: 1h\nfunction_x: '{window_start:%H}'\nfunction_y: made_keys:day")
    with changed(pipeline_file, edit) as pipeline:
        lock = store_and_validate(pipeline, NOW)
        assert (lock.columns["key_x"], lock.columns["key_y"], lock.columns["key_z"]) == ("00", "1h@01", None)


def test_incomplete_check_fields_stop_before_anything_is_stored(pipeline_file: Path) -> None:
    """The message names the field and what sets it."""
    edit = ("granularity: 1h", "granularity: 1h\ncheck_fields: [target_day, key_z]")
    with changed(pipeline_file, edit) as pipeline:
        with pytest.raises(Misuse, match="function_z"):
            store_and_validate(pipeline, NOW)
        assert spans(pipeline) == []


MODULE = """
import json
from pathlib import Path

NOTES = Path(__file__).with_name("notes.jsonl")


def note(name, record):
    note = [name, str(record["window_start_time"]), record.get("pipeline_status")]
    with NOTES.open("a") as notes:
        notes.write(json.dumps(note) + "\\n")


def get_source_count(final_config, record): return 1
def transfer_source_to_stage(final_config, record): pass
def clean_stage_location(final_config, record): pass
def get_target_count(final_config, record): return 0
def transfer_stage_to_target(final_config, record): pass
def clean_target_location(final_config, record): pass
def upload_record_to_database(final_config, record): note("added", record)
def update_record_in_database(final_config, record): note("moved", record)
"""
PARTS = CONFIG[CONFIG.index("source:") :].format()


def test_a_module_hears_of_rows_and_moves(pipeline_file: Path) -> None:
    """Each added window and each move is passed on, so that a table of its own can follow."""
    (pipeline_file.parent / "told.py").write_text(MODULE)
    with changed(pipeline_file, (PARTS, "implementation: told\n")) as pipeline:
        store_and_validate(pipeline, datetime(2013, 1, 1, 2, tzinfo=UTC))
    notes = (pipeline_file.parent / "notes.jsonl").read_text().splitlines()
    assert [line.split(",")[0] for line in notes] == ['["added"', '["added"', '["moved"']
    assert "IN_PROGRESS" in notes[-1]


def test_a_module_chooses_the_next_window(pipeline_file: Path) -> None:
    """download_oldest_pending_record decides, and a window that it says others work on is left alone."""
    chooser = (
        MODULE
        + """
from datetime import UTC, datetime
START = datetime(2013, 1, 1, 5, tzinfo=UTC)
def download_oldest_pending_record(final_config): return {"WINDOW_START_TIME": START}
def get_all_in_progress_records(final_config):
    busy = NOTES.with_name("busy").exists()
    return [{"WINDOW_START_TIME": START, "DAG_RUN_ID": "theirs"}] if busy else []
"""
    )
    (pipeline_file.parent / "chooser.py").write_text(chooser)
    with changed(pipeline_file, (PARTS, "implementation: chooser\n")) as pipeline:
        (pipeline_file.parent / "busy").touch()
        with pytest.raises(NothingPending, match="Held back by run theirs: 2013-01-01T05"):
            store_and_validate(pipeline, NOW)
        (pipeline_file.parent / "busy").unlink()
        assert store_and_validate(pipeline, NOW).window.start.hour == 5


LISTED = """
from datetime import UTC, datetime, timedelta
DONE = set()
def start(hour): return datetime(2013, 1, 1, hour, tzinfo=UTC)
def update_record_in_database(final_config, record): DONE.add(record["window_start_time"])
"""
NEWEST = """
def download_oldest_pending_record(final_config):
    return {"window_start_time": start(11 - len(DONE))} if len(DONE) < 12 else None
"""
STUBBORN = "def download_oldest_pending_record(final_config): return {'window_start_time': start(4)}\n"
BUSY = (
    "def get_all_in_progress_records(_): return [{'window_start_time': start(1), 'dag_run_id': 'theirs'}]\n"
)


@pytest.mark.parametrize(
    ("functions", "hours"),
    [
        (NEWEST, [*range(11, -1, -1)]),
        (STUBBORN, [4]),
        (BUSY, [0, *range(2, 12)]),
        (NEWEST + BUSY, [*range(11, 1, -1)]),
    ],
    ids=["its order", "the same again", "in progress", "both"],
)
def test_a_module_is_asked_for_every_window_of_a_run(
    pipeline_file: Path, transfer: ScriptedTransfer, functions: str, hours: list[int]
) -> None:
    """Which is next, and which another run has: that one is left alone, and none is run twice."""
    transfer.faults["source_to_stage"] = [BadData("no")]
    (pipeline_file.parent / "listed.py").write_text(MODULE + LISTED + functions)
    with changed(pipeline_file, (PARTS, "implementation: listed\n")) as pipeline:
        pipeline.transfer = transfer
        done = [outcome.record.window_start_time.hour for outcome in run_some(pipeline, NOW)]
    assert done == hours

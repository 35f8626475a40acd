"""Whose turn it is when windows are asked for one by one, or chosen."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline_framework import pipeline as pipelines
from pipeline_framework import registry, turns
from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import Holder, gates, progress
from pipeline_framework.errors import BadData, LockConflict, Misuse, NothingPending, Unavailable
from pipeline_framework.generation import Choice, generate
from pipeline_framework.locking import store_and_validate
from pipeline_framework.operations.gates import pause
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import windows
from tests.services.control import by_hand
from tests.unit.conftest import NOW

ASKED = """
ANSWERS, SEEN = {}, []


def ask(final_config, record):
    SEEN.append((final_config["pipeline_id"], record["WINDOW_START_TIME"], record["target_day"]))
    answer = ANSWERS.get(record["window_start_time"].hour, 1)
    if isinstance(answer, Exception):
        raise answer
    return answer() if callable(answer) else answer
"""


Answers = dict[int, object]
Seen = list[tuple[object, ...]]


@contextmanager
def asking(
    file: Path, keys: str = ""
) -> Iterator[tuple[Pipeline, dict[int, object], list[tuple[object, ...]]]]:
    """The pipeline with `ready:`, what it answers for each hour, and what it was asked."""
    name = f"asked_{file.parent.name}"
    (file.parent / f"{name}.py").write_text(ASKED)
    file.write_text(file.read_text() + f"ready: {name}:ask\n{keys}")
    with pipelines.opened(load_final_config(file)) as pipeline:
        module = registry.implementation(name, pipeline.config)
        yield pipeline, module.ANSWERS, module.SEEN


def other_run(pipeline: Pipeline, name: str = "other") -> Pipeline:
    return Pipeline(pipeline.config, pipeline.database, Holder("", name, 0, name, 90))


def hours(seen: Seen) -> list[int]:
    """Which windows were asked for."""
    return [start.hour for _, start, _ in seen]  # type: ignore[attr-defined]


def test_hook_is_asked_like_the_functions_of_an_implementation(pipeline_file: Path) -> None:
    """With final_config and the row, in lower and upper case."""
    with asking(pipeline_file) as (pipeline, _, seen):
        lock = store_and_validate(pipeline, NOW)
        assert seen == [(pipeline.key.pipeline_id, lock.window.start, lock.window.start.date())]


@pytest.mark.parametrize("no", [False, None, 0, "", []])
def test_whatever_is_false_holds_a_window_back(pipeline_file: Path, no: object) -> None:
    """The next one is asked for."""
    with asking(pipeline_file) as (pipeline, answers, seen):
        answers[0] = no
        assert store_and_validate(pipeline, NOW).window.start.hour == 1
        assert hours(seen) == [0, 1]


def test_newest_first_is_asked_for_from_the_other_end(pipeline_file: Path) -> None:
    """In the order in which windows would run."""
    with asking(pipeline_file) as (pipeline, answers, seen):
        answers[11] = False
        assert store_and_validate(pipeline, NOW, Choice(newest_first=True)).window.start.hour == 10
        assert hours(seen) == [11, 10]


def test_range_is_asked_for_alone(pipeline_file: Path) -> None:
    """Windows outside of it are none of its business."""
    with asking(pipeline_file) as (pipeline, answers, seen):
        answers.update({3: False, 4: False})
        first = datetime.fromisoformat("2013-01-01T03:00+00:00")
        with pytest.raises(NothingPending, match="Held back by ready"):
            store_and_validate(pipeline, NOW, Choice(first=first, last=first + timedelta(hours=2)))
        assert hours(seen) == [3, 4]


def test_questions_of_a_run_are_bounded(pipeline_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog whose upstream is late does not cost a question for each window at every tick."""
    monkeypatch.setattr(turns, "OLDEST_FIRST", replace(turns.OLDEST_FIRST, questions=4))
    assert turns.QUESTIONS == 100
    with asking(pipeline_file) as (pipeline, answers, seen):
        answers.update(dict.fromkeys(range(12), False))
        with pytest.raises(NothingPending, match=r"Held back by ready: \S+: .* and 1 more\."):
            store_and_validate(pipeline, NOW)
        assert hours(seen) == [0, 1, 2, 3]


def test_window_that_another_run_takes_meanwhile_is_passed_over(pipeline_file: Path) -> None:
    """The claim has the last word: between question and claim anything may happen."""
    with asking(pipeline_file) as (pipeline, answers, _):
        generate(pipeline, NOW)

        def taken_by_another() -> bool:
            answers[0] = True
            store_and_validate(other_run(pipeline), NOW)
            return True

        answers[0] = taken_by_another
        assert store_and_validate(pipeline, NOW).window.start.hour == 1


def test_pause_between_question_and_claim_holds(pipeline_file: Path) -> None:
    """The claim looks at the gates itself."""
    with asking(pipeline_file) as (pipeline, answers, _):

        def paused_meanwhile() -> bool:
            pause(pipeline, actor="ann", reason="stop")
            return True

        answers[0] = paused_meanwhile
        with pytest.raises(NothingPending, match="paused by ann"):
            store_and_validate(pipeline, NOW)


def test_nobody_is_asked_while_the_pipeline_is_paused(pipeline_file: Path) -> None:
    """The answer could not matter."""
    with asking(pipeline_file) as (pipeline, _, seen):
        pause(pipeline, actor="ann", reason="stop")
        with pytest.raises(NothingPending, match="paused by ann"):
            store_and_validate(pipeline, NOW)
        assert seen == []


def test_strict_order_stops_at_the_first_no(pipeline_file: Path) -> None:
    """And takes the window once the answer is yes."""
    with asking(pipeline_file, "order: strict\n") as (pipeline, answers, seen):
        answers[0] = False
        with pytest.raises(NothingPending, match=r"order: strict waits for window .*Held back by ready"):
            store_and_validate(pipeline, NOW)
        assert hours(seen) == [0]
        answers[0] = True
        assert store_and_validate(pipeline, NOW).window.start.hour == 0
        with pytest.raises(NothingPending, match="which is IN_PROGRESS"):
            store_and_validate(other_run(pipeline), NOW)


@pytest.mark.parametrize(
    ("error", "becomes", "message"),
    [
        (
            ValueError("no such day"),
            Misuse,
            r"pipeline\.yml:\d+: ready: '\S+:ask' raised ValueError: no such",
        ),
        (
            ConnectionError("refused"),
            Unavailable,
            r"ready: '\S+:ask' could not ask: ConnectionError: refused",
        ),
        (TimeoutError("slow"), Unavailable, "TimeoutError: slow"),
        (BadData("our own"), BadData, "our own"),
    ],
)
def test_error_of_the_hook_names_it_and_locks_nothing(
    pipeline_file: Path, error: Exception, becomes: type[Exception], message: str
) -> None:
    """What it cannot reach is worth another try, what it gets wrong somebody has to repair."""
    with asking(pipeline_file) as (pipeline, answers, _):
        answers[0] = error
        with pytest.raises(becomes, match=message):
            store_and_validate(pipeline, NOW)
        assert {record.pipeline_status for record in windows(pipeline)} == {"PENDING"}


def test_own_window_is_taken_up_without_a_question(pipeline_file: Path) -> None:
    """It was asked for before it was locked."""
    with asking(pipeline_file) as (pipeline, answers, seen):
        first = store_and_validate(pipeline, NOW)
        answers[0] = False
        assert store_and_validate(pipeline, NOW).record_id == first.record_id
        assert hours(seen) == [0]


def test_finished_window_is_told_as_such_whatever_the_hook_says(pipeline_file: Path) -> None:
    """Nobody is asked for a window that is done, held or in quarantine."""
    with asking(pipeline_file) as (pipeline, answers, seen):
        held = store_and_validate(other_run(pipeline), NOW)
        answers[0] = False
        seen.clear()
        with pytest.raises(LockConflict, match="is held by other"):
            store_and_validate(pipeline, NOW, Choice(held.window.start))
        assert seen == []


def wants_proof(pipeline: Pipeline) -> None:
    """An outage whose wait is over; the first window met it."""
    lock = store_and_validate(other_run(pipeline), NOW)
    settings = {"threshold": 1, "backoff_seconds": 1.0}
    progress.fail_unavailable(pipeline.database, lock, "down", **settings)  # type: ignore[arg-type]
    gates.note_unavailable(pipeline.database, pipeline.key, "down", **settings)  # type: ignore[arg-type]
    past = "'2001-01-01T00:00:00.000000Z'"
    for table, column in (("pipelines", "circuit_until"), ("pipeline_records", "not_before")):
        sql = f"UPDATE {table} SET {column} = {past} WHERE pipeline_id = :id AND {column} IS NOT NULL"
        by_hand(pipeline.database, sql, id=pipeline.key.pipeline_id)


def test_proof_is_asked_of_fresh_windows_first(pipeline_file: Path) -> None:
    """One that failed is asked for when all others said no."""
    with asking(pipeline_file) as (pipeline, answers, seen):
        wants_proof(pipeline)
        seen.clear()
        assert store_and_validate(pipeline, NOW).window.start.hour == 1
        assert hours(seen) == [1]
        answers.update(dict.fromkeys(range(1, 12), False))
        assert store_and_validate(other_run(pipeline), NOW).window.start.hour == 0


def test_proof_comes_from_a_failed_window_when_it_is_the_last(pipeline_file: Path) -> None:
    """Without a hook as well: a pipeline of one window gets out of its circuit."""
    with pipelines.opened(load_final_config(pipeline_file)) as pipeline:
        one = datetime.fromisoformat("2013-01-01T01:00+00:00")
        store_and_validate(other_run(pipeline, "setup"), one)
        progress.release(pipeline.database, store_and_validate(other_run(pipeline, "setup"), one), "x")
        wants_proof(pipeline)
        assert store_and_validate(pipeline, one).window.start.hour == 0


def test_chosen_window_is_refused_by_a_pause(scripted: Pipeline) -> None:
    """As something that waits, not as a lock of somebody."""
    pause(scripted, actor="ann", reason="stop")
    with pytest.raises(NothingPending, match=r"paused by ann since .* because stop; `pipeline resume`"):
        store_and_validate(scripted, NOW, Choice(NOW - timedelta(hours=2)))


def test_chosen_window_in_strict_order_names_the_first(scripted: Pipeline) -> None:
    """File, order, the window that comes first, and two ways out."""
    scripted.config = scripted.config.model_copy(update={"order": "strict"})
    with pytest.raises(Misuse, match=r"pipeline\.yml says order: strict, and window 2013-01-01T00:00:00Z"):
        store_and_validate(scripted, NOW, Choice(NOW - timedelta(hours=2)))


def test_chosen_window_whose_turn_it_is_runs_in_strict_order(scripted: Pipeline) -> None:
    """Unless another run holds it."""
    scripted.config = scripted.config.model_copy(update={"order": "strict"})
    start = datetime.fromisoformat("2013-01-01T00:00+00:00")
    assert store_and_validate(scripted, NOW, Choice(start)).window.start == start
    with pytest.raises(LockConflict, match="is held by"):
        store_and_validate(other_run(scripted), NOW, Choice(start))

"""What the one task of `dag_shape: single` ends with, whatever becomes of its windows, in every try."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_framework import locking
from pipeline_framework.airflow_provider import compat, tasks
from pipeline_framework.config import load_final_config
from pipeline_framework.errors import BadData, LockLost, PipelineError, Terminal, Unavailable
from pipeline_framework.generation import Choice
from pipeline_framework.operations.locks import clear
from pipeline_framework.pipeline import by_hand, opened
from pipeline_framework.reports.history import windows

CONFIG = """
pipeline_id: single
granularity: 1h
start: 2013-01-01
end: 2013-01-01T04:00
windows_per_run: 0
retry_seconds: 0
circuit_failures: 0
dag_shape: single
implementation: {module}
"""
MODULE = """
FAULTS, ROWS = {}, {}

def get_source_count(final_config, record): return 2
def get_target_count(final_config, record): return ROWS.get(record["window_start_time"], 0)
def clean_stage_location(final_config, record): pass
def clean_target_location(final_config, record): pass
def transfer_stage_to_target(final_config, record): ROWS[record["window_start_time"]] = 2
def transfer_source_to_stage(final_config, record):
    faults = FAULTS.get(record["window_start_time"].hour)
    if faults:
        fault = faults.pop(0)
        raise fault(record) if callable(fault) else fault
"""
Fault = PipelineError | Callable[[Mapping[str, Any]], PipelineError]
Faults = dict[int, list[Fault]]
Try = Callable[[int], None]
NOW = datetime(2013, 1, 2, tzinfo=UTC)


@pytest.fixture
def faults() -> Faults:
    """What is raised when the window of that hour is staged, one after the other."""
    return {}


@pytest.fixture
def tried(tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Try:
    """The task in its first, second, … try, of two."""
    module, file = f"moves_{token_hex(4)}", tmp_path / "pipeline.yml"
    (tmp_path / f"{module}.py").write_text(MODULE)
    file.write_text(CONFIG.format(module=module))
    with opened(load_final_config(file)) as pipeline:
        assert pipeline.module
        pipeline.module.FAULTS = faults  # type: ignore[attr-defined]

    def attempt(number: int) -> None:
        ti = SimpleNamespace(dag_id="dag", map_index=-1, try_number=number, max_tries=1)
        delay = SimpleNamespace(total_seconds=lambda: 60.0)
        task = SimpleNamespace(retries=1, retry_delay=delay)
        context: Any = {"ti": ti, "task": task, "run_id": "run", "params": {}}
        monkeypatch.setattr(tasks, "get_current_context", lambda: context)
        tasks.run_windows(str(file))

    return attempt


def statuses(folder: Path) -> list[str]:
    """What became of each window."""
    config = load_final_config(folder / "pipeline.yml")
    with opened(config, by_hand(config, "looks")) as pipeline:
        return [str(record.pipeline_status) for record in windows(pipeline)]


def test_the_next_try_goes_on_with_all_windows(tried: Try, faults: Faults, tmp_path: Path) -> None:
    """The one that is kept for it first, then those that are left."""
    faults[1] = [Unavailable("a blip")]
    with pytest.raises(Unavailable, match="a blip"):
        tried(1)
    assert statuses(tmp_path) == ["COMPLETED", "IN_PROGRESS", "PENDING", "PENDING"]
    tried(2)
    assert statuses(tmp_path) == ["COMPLETED"] * 4


def test_a_window_that_failed_in_an_earlier_try_fails_the_task(
    tried: Try, faults: Faults, tmp_path: Path
) -> None:
    """All others are done by then; a run that forgot it would be green, and nobody would get mail."""
    faults.update({0: [BadData("odd rows")], 1: [Unavailable("a blip")]})
    with pytest.raises(Unavailable, match="a blip"):
        tried(1)
    told = r"window 2013-01-01T00.*since an earlier try: odd rows"
    with pytest.raises(type(compat.terminal(Terminal())), match=told):
        tried(2)
    assert statuses(tmp_path) == ["PENDING", "COMPLETED", "COMPLETED", "COMPLETED"]


@pytest.mark.parametrize("other", [LockLost("taken by another run."), Unavailable("a blip")], ids=type)
@pytest.mark.parametrize("hour", [0, 2], ids=["before", "behind"])
def test_what_somebody_has_to_mend_is_told_first(
    tried: Try, faults: Faults, tmp_path: Path, hour: int, other: PipelineError
) -> None:
    """Neither a lock that was lost beside it nor an outage hides it, when no try is left."""
    faults.update({1: [BadData("odd rows")], hour: [other]})
    with pytest.raises(type(compat.terminal(BadData())), match="odd rows"):
        tried(2)
    assert statuses(tmp_path)[3] == "COMPLETED"


@pytest.mark.parametrize("lost", [range(1), range(4)], ids=["one", "all"])
def test_a_lost_lock_is_no_failure(tried: Try, faults: Faults, tmp_path: Path, lost: range) -> None:
    """The window is another run's; the task is skipped only where it did nothing else."""
    config = load_final_config(tmp_path / "pipeline.yml")

    def taken(record: Mapping[str, Any]) -> PipelineError:
        with opened(config, by_hand(config, f"other {record['id']}")) as other:
            clear(other, record["id"], actor="a person", reason="it hangs", only_stale=False)
            locking.lock_next(other, NOW, Choice(window_start=record["window_start_time"]))
        return LockLost("taken by another run.")

    faults.update({hour: [taken] for hour in lost})
    with pytest.raises(compat.AirflowSkipException) if len(lost) == 4 else nullcontext():
        tried(2)
    assert statuses(tmp_path) == ["IN_PROGRESS"] * len(lost) + ["COMPLETED"] * (4 - len(lost))

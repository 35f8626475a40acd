"""What keeps a window from running: `ready:`, and a run that the module knows of."""

from secrets import token_hex

import pytest

from pipeline_framework.generation import generate
from pipeline_framework.holding_back import held_back_by
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import windows
from tests.unit.conftest import NOW

MODULE = """
from datetime import UTC, datetime
CALLS = []
def start(hour): return datetime(2013, 1, 1, hour, tzinfo=UTC)
def later(final_config, record): return record["window_start_time"].hour < 3
def get_all_in_progress_records(final_config):
    CALLS.append("asked")
    mine = {"window_start_time": start(0), "dag_run_id": RUN}
    return [mine, {"window_start_time": start(1), "dag_run_id": "theirs"}]
"""


def test_nothing_holds_windows_back_unless_somebody_says_so(scripted: Pipeline) -> None:
    """Then windows are claimed in one statement, and none is asked for one by one."""
    assert held_back_by(scripted) is None


@pytest.mark.parametrize("ready", ["", "later"])
def test_a_window_is_held_back_by_what_says_so(scripted: Pipeline, ready: str) -> None:
    """The module is asked once for all windows; what its own run has is no reason."""
    generate(scripted, NOW)
    name = f"holding_{token_hex(4)}"
    (scripted.config.folder / f"{name}.py").write_text(MODULE)
    keys = {"implementation": name, "ready": f"{name}:{ready}" if ready else None}
    asking = Pipeline(scripted.config.model_copy(update=keys), scripted.database, scripted.holder)
    assert asking.module
    asking.module.RUN = asking.holder.dag_run_id  # type: ignore[attr-defined]
    by = held_back_by(asking)
    assert by
    told = [by(record) for record in windows(asking)][:4]
    assert told == ["", "run theirs", "", f"ready: {name}:later" if ready else ""]
    assert asking.module.CALLS == ["asked"]

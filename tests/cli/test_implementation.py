"""A module of six functions, used unchanged."""

import json

from tests.cli.conftest import WINDOWS, Flights

MODULE = '''
"""Moves hours between two folders of JSON files, as somebody would write it by docs/new-implementation.md."""
import json
from pathlib import Path

HERE = Path(__file__).parent


def place(kind, record):
    return HERE / kind / f"{record['WINDOW_START_TIME']:%Y%m%dT%H}.json"


def rows(record):
    hours = record["WINDOW_END_TIME"].diff(record["WINDOW_START_TIME"]).in_hours()
    return [record["WINDOW_START_TIME"].add(hours=hour).to_iso8601_string() for hour in range(hours)]


def get_source_count(final_config, record):
    assert final_config["granularity"] == "2h" and final_config["default_record"]["pipeline_id"] == "flights"
    return len(rows(record))


def transfer_source_to_stage(final_config, record):
    place("staged", record).parent.mkdir(exist_ok=True)
    place("staged", record).write_text(json.dumps(rows(record)[final_config.get("lose", 0):]))


def clean_stage_location(final_config, record):
    place("staged", record).unlink(missing_ok=True)


def get_target_count(final_config, record):
    path = place("loaded", record)
    return len(json.loads(path.read_text())) if path.exists() else 0


def transfer_stage_to_target(final_config, record):
    place("loaded", record).parent.mkdir(exist_ok=True)
    place("loaded", record).write_text(place("staged", record).read_text())


def clean_target_location(final_config, record):
    place("loaded", record).unlink(missing_ok=True)
'''


def with_module(flights: Flights, extra: str = "") -> None:
    """Name the module instead of source, stage and target."""
    (flights.folder / "hours.py").write_text(MODULE)
    text = (flights.folder / "pipeline.yml").read_text()
    flights.change(text[text.index("source:") :], f"implementation: hours\n{extra}")


def test_a_module_moves_every_window(flights: Flights) -> None:
    """Every window is loaded once and audited by its two counts."""
    with_module(flights)
    answer = flights("run", "--until-caught-up", "--format", "json")
    assert (answer.code, len(answer.json)) == (0, WINDOWS)
    assert {row["audit_result"] for row in answer.json} == {"loaded"}
    loaded = (flights.folder / "loaded").glob("*.json")
    hours = [hour for path in loaded for hour in json.loads(path.read_text())]
    assert len(hours) == len(set(hours)) == 71
    assert flights("check").code == 0


def test_a_window_of_a_module_is_reopened_and_replaced(flights: Flights) -> None:
    """It cleans its target before it fills it: whatever was there may be loaded again."""
    with_module(flights)
    window = flights("run", "--format", "json").json[0]["id"]
    assert flights("reopen", "--window", str(window)).code == 0
    assert flights("run", "--format", "json").json[0]["id"] == window
    (loaded,) = (flights.folder / "loaded").iterdir()
    assert len(json.loads(loaded.read_text())) == 2


def test_rows_that_a_module_loses_are_found(flights: Flights) -> None:
    """The audit compares source and target, and says how many are missing."""
    with_module(flights, "settings: {lose: 1}\n")
    answer = flights("run", "--format", "json")
    assert answer.code == 1
    assert answer.json[0]["audit_result"] == "mismatch"
    assert "1 of 2 rows was lost between source and target" in answer.json[0]["last_error"]


def test_a_module_that_lacks_a_function_is_misuse(flights: Flights) -> None:
    """The missing one is named, before any window is locked."""
    with_module(flights)
    (flights.folder / "hours.py").write_text(MODULE.replace("def get_target_count", "def get_goal_count"))
    answer = flights("run")
    assert (answer.code, "get_target_count" in answer.err) == (2, True)


def test_a_module_that_is_not_there_is_misuse(flights: Flights) -> None:
    """With the file and the key that named it."""
    with_module(flights)
    flights.change("implementation: hours", "implementation: ours")
    answer = flights("run")
    assert (answer.code, "pipeline.yml" in answer.err, "ours" in answer.err) == (2, True, True)

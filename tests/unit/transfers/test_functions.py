"""A module of six functions is driven as docs/new-implementation.md says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pendulum
import pytest

from pipeline_framework.errors import BadData, Misuse, TransferFailed, Unavailable
from pipeline_framework.interfaces import Lock
from pipeline_framework.transfers.functions import REQUIRED, FunctionsTransfer
from pipeline_framework.transfers.record_functions import RecordFunctions
from pipeline_framework.windows import Window

START = pendulum.datetime(2013, 3, 10, 5)
END = pendulum.datetime(2013, 3, 10, 7)
LOCK = Lock(
    1, "flights", "", Window(START, END), 9, "me", {"id": 1, "window_start_time": START, "dag_run_id": "r"}
)
Calls = list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]


def module(calls: Calls, **answers: object) -> ModuleType:
    """A module whose functions note their calls; an answer that is an error is raised."""
    made = ModuleType("made")

    def function(name: str) -> object:
        def call(final_config: Mapping[str, Any], record: Mapping[str, Any]) -> object:
            calls.append((name, final_config, record))
            answer = answers.get(name)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    for name in REQUIRED:
        setattr(made, name, function(name))
    return made


def test_functions_receive_the_configuration_and_the_record() -> None:
    """`record` has the columns by name and by upper-case name, times as pendulum times."""
    calls: Calls = []
    transfer = FunctionsTransfer(module(calls, get_source_count=3), {"granularity": "2h"})
    assert transfer.source_count(LOCK) == 3
    name, final_config, record = calls[0]
    assert (name, final_config["granularity"]) == ("get_source_count", "2h")
    assert record["WINDOW_START_TIME"] is record["window_start_time"]
    assert isinstance(record["WINDOW_START_TIME"], pendulum.DateTime)


def test_each_location_is_cleaned_before_it_is_filled() -> None:
    """A module has no transaction, so what an earlier try left goes first."""
    calls: Calls = []
    transfer = FunctionsTransfer(module(calls), {})
    transfer.clear_stage(LOCK)
    transfer.source_to_stage(LOCK)
    transfer.stage_to_target(LOCK)
    assert [name for name, _, _ in calls] == [
        "clean_stage_location",
        "transfer_source_to_stage",
        "clean_target_location",
        "transfer_stage_to_target",
    ]


def test_a_missing_function_is_named() -> None:
    """The message says which of the six is not there."""
    broken = module([])
    del broken.get_target_count
    with pytest.raises(Misuse, match="get_target_count"):
        FunctionsTransfer(broken, {})


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectionError("refused"), Unavailable),
        (TimeoutError("slow"), Unavailable),
        (ValueError("odd"), TransferFailed),
        (BadData("no column"), BadData),
    ],
)
def test_errors_of_a_module_enter_the_tree(raised: Exception, expected: type[Exception]) -> None:
    """Connection trouble may be tried again at once, the unknown later, our own errors pass."""
    transfer = FunctionsTransfer(module([], transfer_source_to_stage=raised), {})
    with pytest.raises(expected, match=str(raised)):
        transfer.source_to_stage(LOCK)


@pytest.mark.parametrize("answer", [None, -1, "12", True, 1.5])
def test_a_count_that_is_no_number_of_rows_is_refused(answer: object) -> None:
    """A function that forgets to return would else pass as zero rows."""
    transfer = FunctionsTransfer(module([], get_target_count=answer), {})
    with pytest.raises(TransferFailed, match="number of rows"):
        transfer.target_count(LOCK)


def test_record_functions_are_told_and_asked() -> None:
    """Moves are passed on, the module's choice and its running windows are read in either case of key."""
    told: list[Mapping[str, Any]] = []
    made = ModuleType("made")
    made.update_record_in_database = lambda _config, record: told.append(record)  # type: ignore[attr-defined]
    made.download_oldest_pending_record = lambda _config: {"WINDOW_START_TIME": START}  # type: ignore[attr-defined]
    running = [{"window_start_time": START, "dag_run_id": run} for run in ("other", "mine")]
    made.get_all_in_progress_records = lambda _config: running  # type: ignore[attr-defined]
    functions = RecordFunctions(made, {})
    functions.updated(LOCK.columns)
    functions.uploaded(LOCK.columns)
    assert [record["ID"] for record in told] == [1]
    assert functions.oldest() == datetime(2013, 3, 10, 5, tzinfo=UTC)
    assert functions.running_elsewhere("mine") == {START: "other"}
    assert functions.running_elsewhere("other") == {START: "mine"}

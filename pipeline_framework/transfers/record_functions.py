"""The four record functions that a module of six functions may define as well (docs/new-implementation.md).

The control table stays the owner of the windows. A module's `upload_record_to_database` and
`update_record_in_database` are told of every row added and every move made, so that its own table
follows; `download_oldest_pending_record` chooses the next window, and a window that
`get_all_in_progress_records` says is in progress under another run is left alone.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline_framework.errors import PipelineError, TransferFailed
from pipeline_framework.transfers.functions import function_record


@dataclass(frozen=True, slots=True)
class RecordFunctions:
    """What `module` defines of the four; each method does nothing where the function is absent."""

    module: object
    final_config: Mapping[str, Any]

    def uploaded(self, columns: Mapping[str, Any]) -> None:
        """Tell of a row that was added."""
        self._call("upload_record_to_database", function_record(columns))

    def updated(self, columns: Mapping[str, Any]) -> None:
        """Tell of a row that was moved."""
        self._call("update_record_in_database", function_record(columns))

    @property
    def chooses(self) -> bool:
        """Whether the module picks the next window itself."""
        return hasattr(self.module, "download_oldest_pending_record")

    @property
    def follows(self) -> bool:
        """Whether the module wants to hear of rows that were added."""
        return hasattr(self.module, "upload_record_to_database")

    def oldest(self) -> datetime | None:
        """Start of the window that the module picks; None when it knows of none."""
        record = self._call("download_oldest_pending_record")
        return _start(record) if record else None

    def running_elsewhere(self, dag_run_id: str) -> dict[datetime, str]:
        """The windows, by their start, that the module says are in progress, and the other run of each."""
        records = self._call("get_all_in_progress_records") or ()
        running = [(_start(record), str(_column(record, "dag_run_id"))) for record in records]
        return {start: run for start, run in running if run != dag_run_id}

    def _call(self, name: str, *arguments: object) -> Any:
        function = getattr(self.module, name, None)
        if function is None:
            return None
        try:
            return function(*_fitting(function, (dict(self.final_config), *arguments)))
        except PipelineError:
            raise
        except Exception as error:
            raise TransferFailed(f"{name}: {type(error).__name__}: {error}") from error


def _start(record: Any) -> datetime:
    start = _column(record, "window_start_time")
    if not isinstance(start, datetime) or start.tzinfo is None:
        raise TransferFailed(
            f"the module gave {start!r} for a window_start_time; a time with a zone is expected."
        )
    return start


def _column(record: Any, name: str) -> Any:
    if not isinstance(record, Mapping) or not {name, name.upper()} & record.keys():
        raise TransferFailed(f"the module gave {record!r} for a record; a mapping with {name} is expected.")
    return record.get(name, record.get(name.upper()))


def _fitting(function: Callable[..., object], arguments: tuple[object, ...]) -> tuple[object, ...]:
    wanted = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return arguments if len(wanted) <= len(arguments) else (*arguments, {})

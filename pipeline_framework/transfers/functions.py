"""A module of six functions `(final_config, record)` of a user's own, as docs/new-implementation.md tells.

`record` carries every column of pipeline_records by name, and the same again by upper-case name
(`TARGET_DAY`, `WINDOW_START_TIME`, …); times are pendulum times. The module has no transaction and
no manifest, so the target is cleaned before it is filled, and the audit has two numbers, not five.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pipeline_framework.errors import Misuse, PipelineError, TransferFailed, Unavailable
from pipeline_framework.interfaces import Loaded, Lock, Manifest

REQUIRED = (
    "get_source_count",
    "transfer_source_to_stage",
    "clean_stage_location",
    "get_target_count",
    "transfer_stage_to_target",
    "clean_target_location",
)


def function_record(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The `record` that a module's functions receive."""
    return {**columns, **{name.upper(): value for name, value in columns.items()}}


@dataclass(frozen=True, slots=True)
class FunctionsTransfer:
    """Drives the six functions of `module`; see `interfaces.Transfer`."""

    module: ModuleType
    final_config: Mapping[str, Any]

    def __post_init__(self) -> None:
        missing = [name for name in REQUIRED if not callable(getattr(self.module, name, None))]
        if missing:
            raise Misuse(
                f"{self.module.__name__} lacks {', '.join(missing)}: define it with (final_config, record)."
            )

    def check(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "implementation", lambda: f"{self.module.__name__} defines the six functions"

    def source_count(self, lock: Lock) -> int:
        return self._number("get_source_count", lock)

    def target_count(self, lock: Lock) -> int:
        return self._number("get_target_count", lock)

    def source_to_stage(self, lock: Lock) -> Manifest:
        self._call("transfer_source_to_stage", lock)
        return Manifest(epoch=lock.epoch)

    def stage_to_target(self, lock: Lock) -> Loaded:
        self.clear_target(lock)
        self._call("transfer_stage_to_target", lock)
        return Loaded(lock.epoch, lock.owner, rows=None)

    def loaded(self, lock: Lock) -> Loaded | None:
        return None

    def clear_stage(self, lock: Lock) -> None:
        self._call("clean_stage_location", lock)

    def clear_target(self, lock: Lock) -> None:
        self._call("clean_target_location", lock)

    def replaces(self) -> bool:
        return True

    def _number(self, name: str, lock: Lock) -> int:
        answer = self._call(name, lock)
        if isinstance(answer, bool) or not isinstance(answer, int) or answer < 0:
            raise TransferFailed(
                f"{self.module.__name__}.{name} returned {answer!r}; a number of rows is expected."
            )
        return answer

    def _call(self, name: str, lock: Lock) -> Any:
        try:
            return getattr(self.module, name)(dict(self.final_config), function_record(lock.columns))
        except PipelineError:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise Unavailable(f"{self.module.__name__}.{name}: {type(error).__name__}: {error}") from error
        except Exception as error:
            raise TransferFailed(f"{self.module.__name__}.{name}: {type(error).__name__}: {error}") from error

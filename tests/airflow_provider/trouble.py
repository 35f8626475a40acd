"""Connectors that get into trouble when a file in the folder `trouble` beside the configuration says so.

Copied beside each test pipeline, where `type: trouble:TroubledFiles` finds it.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from implementations.duckdb import DuckDBTarget
from implementations.files import FilesSource
from pipeline_framework.errors import BadData, Unavailable
from pipeline_framework.interfaces import InputPath, Loaded, Lock, Reading, Staged
from pipeline_framework.windows import Window


@dataclass(frozen=True, kw_only=True)
class TroubledFiles(FilesSource):
    """Files that cannot be read while `trouble/unavailable` or `trouble/bad` is there."""

    trouble: InputPath

    def read(self, window: Window) -> Reading:
        """Notes each reading as a line of `trouble/readings`."""
        with Path(self.trouble, "readings").open("a") as notes:
            notes.write(f"{window}\n")
        if Path(self.trouble, "unavailable").exists():
            raise Unavailable("the source is down, says the test.")
        if Path(self.trouble, "unavailable_once").exists():
            Path(self.trouble, "unavailable_once").unlink()
            raise Unavailable("the source is down this once, says the test.")
        if Path(self.trouble, "bad").exists():
            raise BadData("the rows are bad, says the test.")
        return super().read(window)


@dataclass(frozen=True, kw_only=True)
class TroubledTable(DuckDBTarget):
    """A table that is slow while `trouble/hang` is there and loses a row while `trouble/leak` is.

    It cannot be counted while `trouble/uncountable` is there.
    """

    trouble: InputPath

    def count(self, window: Window) -> int | None:
        if Path(self.trouble, "uncountable").exists():
            raise Unavailable("the target cannot be counted, says the test.")
        return super().count(window)

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        """Notes who loads which window in `trouble/loading.<record id>`, and each load in `trouble/loads`."""
        with Path(self.trouble, "loads").open("a") as notes:
            notes.write(f"{lock.window}\n")
        Path(self.trouble, f"loading.{lock.record_id}").write_text(str(os.getpid()))
        while Path(self.trouble, "hang").exists():
            time.sleep(0.1)
        loaded = super().load(lock, staged)
        if Path(self.trouble, "leak").exists():
            self._lose_a_row(lock.window)
        return loaded

    def _lose_a_row(self, window: Window) -> None:
        with duckdb.connect(self.path) as connection:
            connection.execute(
                f"DELETE FROM {self.table} WHERE n IN (SELECT min(n) FROM {self.table} "
                f'WHERE "{self.time_field}" >= ? AND "{self.time_field}" < ?)',
                [window.start, window.end],
            )

"""A DuckDB file that several processes may want: opened patiently, and what goes wrong in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from implementations.loading.faults import Fault, told
from implementations.loading.waiting import Busy
from pipeline_framework.errors import BadData, Misuse, StageLost, Unavailable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Megabytes, tried in turn: the first is enough for a load of any length, the others are for rows so
# wide that DuckDB cannot hold one row group of 122,880 of them (docs/performance.md).
MEMORY = (100, 400, 1600, 6400)
# One set for every connection: inside a process DuckDB refuses a second one that differs.
SETTINGS: dict[str, Any] = {
    "TimeZone": "UTC",
    "memory_limit": f"{MEMORY[0]}MB",
    "threads": 2,
    "preserve_insertion_order": False,
    "autoinstall_known_extensions": False,
}


FAULTS = (
    # First of all, as a value that is told may read like any of the others.
    Fault(
        "^(Constraint|Conversion) Error",
        BadData,
        "cannot hold what is staged ({text}): correct the rows, or change the table.",
    ),
    Fault("^TransactionContext Error", Busy, "was changed by another load at this moment: try again."),
    Fault(r"held in (\S+) \(PID (\d+)\)", Busy, "is open in process {1} ({0}): wait for it, or end it."),
    Fault(
        "Could not set lock|different configuration|Unique file handle conflict",
        Busy,
        "is held open by another connection: wait for it, or end it.",
    ),
    Fault("not a valid DuckDB", Misuse, "is no DuckDB database: move it away, or correct `path`."),
    Fault(
        "ermission denied|Read-only file system",
        Misuse,
        "may not be opened for want of permission: give this user the right, or change `path`.",
    ),
    Fault("No space left", Unavailable, "has no room on its disk: free some, then try again."),
    Fault(
        r"^(IO|Invalid Input) Error: .*\.parquet",
        StageLost,
        "could not read what is staged, so it is staged again: {text}",
    ),
)


@contextmanager
def opened(path: str, where: str, *, read_only: bool) -> "Iterator[DuckDBPyConnection]":
    """The file, closed at the end of the block; what DuckDB raises comes out as an error of the framework."""
    import duckdb

    with plainly(where), duckdb.connect(path, read_only=read_only, config=SETTINGS) as connection:
        yield connection


@contextmanager
def plainly(where: str) -> Iterator[None]:
    """What DuckDB or the disk raises, as an error of the framework."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as raised:
        refused = isinstance(raised, (duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError))
        kind = BadData if refused else Unavailable
        raise told(str(raised).partition("\n")[0], where, FAULTS, kind) from raised

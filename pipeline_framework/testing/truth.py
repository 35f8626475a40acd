"""Rows that break careless connectors, and the comparison that finds what they did to them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from pipeline_framework.interfaces import Lock, Manifest
from pipeline_framework.windows import Window

TIME_FIELD = "happened_at"
INSTANT = pa.timestamp("us", "UTC")
TICK = timedelta(microseconds=1)
# Two hours around the end of daylight saving time in New York.
WINDOW = Window(datetime(2013, 11, 3, 5, tzinfo=UTC), datetime(2013, 11, 3, 7, tzinfo=UTC))
BEFORE = Window(WINDOW.start - timedelta(hours=2), WINDOW.start)
AFTER = Window(WINDOW.end, WINDOW.end + timedelta(hours=2))

SCHEMA = pa.schema(
    {
        TIME_FIELD: INSTANT,
        "number": pa.int64(),
        "unsigned": pa.uint64(),
        "small": pa.int8(),
        "amount": pa.decimal128(38, 9),
        "ratio": pa.float64(),
        "text": pa.string(),
        "raw": pa.binary(),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "local": pa.timestamp("us"),
        "tags": pa.list_(pa.string()),
        "place": pa.struct({"name": pa.string(), "at": pa.list_(pa.float64())}),
    }
)
_LARGEST = "9" * 29 + "." + "9" * 9  # Decimal arithmetic would round it
_VALUES: dict[str, Sequence[Any]] = {
    "number": (0, -1, 2**63 - 1, -(2**63), 2**53 + 1, None),
    "unsigned": (0, 2**64 - 1, 2**63, None),
    "small": (127, -128, None),
    "amount": (Decimal(_LARGEST), Decimal("-" + _LARGEST), Decimal("0.000000001"), Decimal(0), None),
    "ratio": (0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, None),
    "text": ("", " ", "null", "NULL", "007", "1e5", "a,b;\"c\"\t'd'\\", "line\r\nline", "日本語 🛫 é", None),
    "raw": (b"", b"\x00\xff\xfe", b"PAR1", None),
    "flag": (True, False, None),
    "day": (date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), None),
    "local": (datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2013, 11, 3, 1, 30), None),  # noqa: DTZ001
    "tags": ([], [None, "", "x"], ["a" * 300], None),
    "place": ({"name": None, "at": [0.5, None]}, {"name": "é", "at": []}, None),
}


def truth(window: Window = WINDOW, rows: int = 60) -> pa.Table:
    """Rows of the window, the first on its start and the last one tick before its end.

    Every column runs through its own list of difficult values, NULL among them.
    """
    columns = {name: [values[row % len(values)] for row in range(rows)] for name, values in _VALUES.items()}
    return pa.table({TIME_FIELD: _times(window, rows), **columns}, schema=SCHEMA)


def edges(window: Window = WINDOW) -> pa.Table:
    """One row a tick before, on and a tick after each bound; `number` says which: 1 inside, 0 outside."""
    times = [bound + step for bound in (window.start, window.end) for step in (-TICK, timedelta(0), TICK)]
    inside = [int(window.start <= time < window.end) for time in times]
    return pa.table({TIME_FIELD: pa.array(times, INSTANT), "number": pa.array(inside, pa.int64())})


def lock_for(window: Window = WINDOW, epoch: int = 1, owner: str = "run 1", mapping_name: str = "") -> Lock:
    """A held window of the pipeline `contract`."""
    return Lock(1, "contract", mapping_name, window, epoch, owner)


def marked(lock: Lock, manifest: Manifest) -> Lock:
    """The lock after the control table took the marker of a staged manifest."""
    marker = {"manifest_address": manifest.address, "manifest_digest": manifest.digest}
    return replace(lock, columns={**lock.columns, **marker, "stage_epoch": manifest.epoch})


def rows_of(table: pa.Table, columns: Sequence[str] | None = None) -> list[str]:
    """The rows as text in one order, so that two tables of the same rows compare equal.

    Times are compared as instants, whatever zone they are shown in, and the fields of a struct in any order;
    -0.0 is not 0.0.
    """
    chosen = table.select(columns or sorted(table.column_names))
    return sorted(repr([(name, _shown(value)) for name, value in row.items()]) for row in chosen.to_pylist())


def _times(window: Window, rows: int) -> pa.Array:
    step = (window.end - window.start) // max(rows, 1)
    times = [window.start + step * row for row in range(rows)]
    return pa.array([*times[:-1], window.end - TICK][:rows], INSTANT)


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((name, _shown(part)) for name, part in value.items())
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value

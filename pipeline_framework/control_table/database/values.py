"""Values on their way into the database and out of it: the same Python values for both databases."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

_JSON = frozenset({"audit_detail", "changes"})  # PostgreSQL's drivers decode these themselves
_TIME_LENGTH = len("2013-03-10T05:00:00.000000Z")


def sqlite_value(value: Any) -> Any:
    """Times as `YYYY-MM-DDTHH:MM:SS.ffffffZ`, the one form that sorts as text; the rest as `plain_value`."""
    if isinstance(value, datetime):
        return datetime.isoformat(_utc(value).replace(tzinfo=None), timespec="microseconds") + "Z"
    return value.isoformat() if isinstance(value, date) else plain_value(value)


def plain_value(value: Any) -> Any:
    """Enums as text, mappings and lists as JSON, times in UTC. `ValueError` for a time without a zone."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=sqlite_value)
    return _utc(value) if isinstance(value, datetime) else value


BINDERS: Mapping[str, Callable[[Any], Any]] = {"sqlite": sqlite_value, "postgresql": plain_value}


def python_row(row: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A row with times as aware datetimes in UTC, days as dates, JSON decoded, numbers as int or float."""
    return {
        name: _PYTHON[type(value)](name, value) if type(value) in _PYTHON else value for name, value in row
    }


def _number(_name: str, value: Decimal) -> int | float:
    """PostgreSQL's sum of bigints is a NUMERIC too."""
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def _from_text(name: str, text: str) -> Any:
    """What SQLite could only keep as text; keys are the user's own text, whatever they look like."""
    if len(text) == _TIME_LENGTH and text[10] == "T" and text.endswith("Z") and not name.startswith("key_"):
        return datetime.fromisoformat(text)
    if name.endswith("_day"):
        return date.fromisoformat(text)
    return json.loads(text) if name in _JSON else text


_PYTHON: Mapping[type, Callable[[str, Any], Any]] = {
    str: _from_text,
    Decimal: _number,
    datetime: lambda _name, value: value.astimezone(UTC),
}


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone; the control table takes only aware times.")
    return value.astimezone(UTC)

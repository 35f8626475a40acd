"""What the value of a key must be; each rule raises `ValueError` with a full sentence."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr, ValidationInfo

from pipeline_framework.config import connections, times
from pipeline_framework.config.mistakes import suggestion
from pipeline_framework.windows import Granularity, TimeBack, render

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PARTS = ("source", "stage", "target")
FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*,/#?-]+")
_CRON_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
# What a window has before it is locked.
CHECKED_FIELDS = (
    *("pipeline_id", "mapping_name", "source_name", "target_name", "target_day"),
    *("window_start_time", "window_end_time", "time_interval", "key_x", "key_y", "key_z"),
)
PART = r"^\d{1,3}(\.\d+)?%$"  # of a hundred
_SAMPLE = datetime(2013, 1, 31, 5, tzinfo=UTC)
# What a template of function_x, function_y, function_z may name.
SAMPLE_VALUES: Mapping[str, object] = {
    "pipeline_id": "flights",
    "mapping_name": "",
    "source_name": "files",
    "target_name": "duckdb",
    "window_start": _SAMPLE,
    "window_end": _SAMPLE.replace(hour=7),
    "target_day": date(2013, 1, 31),
    "time_interval": "2h",
}


def name(text: str) -> str:
    """Letters, digits, `_`, `-`, `.`, at most 200: it goes into paths and DAG ids (250 wide in Airflow)."""
    if not _NAME.fullmatch(text) or len(text) > 200:
        raise ValueError(
            "May hold only letters, digits, `_`, `-` and `.`, begins with none of `-.`, and is 1 to 200 long."
        )
    return text


def dag_id(text: str) -> str:
    """As Airflow's: letters, digits, `_`, `-`, `.`, at most 250."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", text):
        raise ValueError("May hold only letters, digits, `_`, `-` and `.`, and is 1 to 250 long.")
    return text


def zone(text: str) -> str:
    """A timezone of the tz database."""
    return times.zone_named(text).key


def granularity(text: str) -> str:
    """See `windows.Granularity`."""
    return str(Granularity.parse(text))


def time_back(text: str) -> str:
    """See `windows.TimeBack`."""
    return str(TimeBack.parse(text))


def time(value: object, info: ValidationInfo) -> object:
    """A date, datetime or text as UTC; local time of `timezone` when it has no offset."""
    known = info.data.get("timezone", "UTC")  # absent when it was wrong itself
    return value if value is None else times.instant(value, ZoneInfo(known))


def after_start(value: datetime | None, info: ValidationInfo) -> datetime | None:
    """An end after the start."""
    start = info.data.get("start")
    if value and start and value <= start:
        raise ValueError(f"Must be after `start` ({start:%Y-%m-%dT%H:%M:%SZ}). Move it, or leave it out.")
    return value


def max_bad_rows(value: object) -> object:
    """A number of rows, or a part of them in percent."""
    part = isinstance(value, str) and re.fullmatch(PART, value) and Decimal(value.rstrip("%")) <= 100
    if part or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"'{value}' is neither a number of rows nor a part of them. Write 0, 100 or 0.5%.")


def no_boolean(value: object) -> object:
    """`yes` is no number, though Python would count it as 1."""
    if isinstance(value, bool):
        raise ValueError(f"Must be a number, not {str(value).lower()}.")  # noqa: TRY004 - pydantic's own
    return value


def week_day(value: object) -> object:
    """`monday` to `sunday`, or 0 to 6."""
    if isinstance(value, str) and value.lower() in WEEKDAYS:
        return WEEKDAYS.index(value.lower())
    if isinstance(value, bool) or str(value) not in set("0123456"):
        raise ValueError(f"Must be a day of the week, or 0 (monday) to 6. {suggestion(str(value), WEEKDAYS)}")
    return value


def listed(value: object) -> object:
    """One text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


def email(text: str) -> str:
    """Something before and after one @."""
    if not _EMAIL.fullmatch(text):
        raise ValueError(f"'{text}' is no email address. Write one such as data-team@example.com.")
    return text


def key_function(text: str | None) -> str | None:
    """`module:function`, or a template that can be filled in."""
    if text and not FUNCTION.fullmatch(text):
        render(text, SAMPLE_VALUES)
    return text


def function(text: str | None) -> str | None:
    """`module:function`."""
    if text is not None and not FUNCTION.fullmatch(text):
        raise ValueError(f"'{text}' names no function. Write module:function.")
    return text


def checked_field(text: str) -> str:
    """A column that a window has before it is locked, in lower or upper case (`TARGET_DAY`)."""
    if text.lower() not in CHECKED_FIELDS:
        found = suggestion(text, CHECKED_FIELDS)
        raise ValueError(f"'{text}' is no column that a window has before it is locked. {found}")
    return text.lower()


def module(text: str | None) -> str | None:
    """A dotted module name."""
    if text is not None and not _MODULE.fullmatch(text):
        raise ValueError(f"'{text}' is no module name. Write my_pipeline or package.my_pipeline.")
    return text


def part(value: dict[str, Any]) -> dict[str, Any]:
    """A mapping whose `type` is text."""
    kind = value.get("type")
    if not isinstance(kind, str) or not kind:
        raise ValueError("Needs a `type` that is text: the short name of a system, or `module:Class`.")
    return value


def transform(value: dict[str, Any]) -> dict[str, Any]:
    """A mapping with a `type`, or whose first key is the type: `rename: {old: new}`."""
    first = next(iter(value.values()), None)
    return value if "type" not in value and isinstance(first, dict | list) else part(value)


def one_of_three(value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
    """source, stage and target, or an implementation: all of one and none of the other."""
    if "implementation" not in info.data:  # wrong itself
        return value
    implementation = info.data["implementation"]
    if implementation and value is not None:
        raise ValueError("Stands beside `implementation`, which moves the data itself. Remove one of them.")
    if not implementation and value is None:
        raise ValueError(f"Is missing. Name {', '.join(PARTS)}, each with a `type`, or an `implementation`.")
    return value


def with_implementation(value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    """Settings that some function can read."""
    if value and "implementation" in info.data and not info.data["implementation"]:
        raise ValueError("Is read by the functions of an `implementation`, and none is named. Remove it.")
    return value


def name_of(which: str, data: Mapping[str, Any]) -> str:
    """The type of a part, or the implementation that stands for it."""
    described = data.get(which) or {}
    return str(described.get("type") or data.get("implementation") or which)


def instead_of(other: str) -> Callable[[str | None, ValidationInfo], str | None]:
    """A key that excludes `other`."""

    def rule(value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get(other):
            raise ValueError(f"Stands beside `{other}`. Remove one of them.")
        return value

    return rule


def control_address(url: SecretStr | None) -> SecretStr | None:
    """An address of SQLite or PostgreSQL, in one spelling."""
    if url is None:
        return None
    address = connections.database_url(url.get_secret_value())
    connections.placed(address, Path())
    return SecretStr(address)


def cron(text: str | None) -> str | None:
    """Five fields, or one of the presets; what is in the fields is Airflow's to read."""
    fields = (text or "").split()
    if text is None or text in _CRON_PRESETS:
        return text
    if len(fields) != 5 or not all(map(_CRON_FIELD.fullmatch, fields)):
        raise ValueError(f"'{text}' is no cron schedule. Write five fields (`15 */2 * * *`) or @hourly.")
    return text

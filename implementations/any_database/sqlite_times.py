"""Times of SQLite, text that is compared as such: in one form alone its order is that of time."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, DateTime, String, and_, func, not_, or_, type_coerce

from pipeline_framework.errors import BadData

_DAY = "0000-00-00".replace("0", "[0-9]")  # as GLOB asks for it
_SECOND = "0000-00-00 00:00:00".replace("0", "[0-9]")


def inside(column: Column[Any], start: date, end: date) -> list[ColumnElement[bool]]:
    """The condition of a time in start <= time < end."""
    time = type_coerce(column, String())
    return [time >= _edge(start), time < _edge(end)]


def disorderly(column: Column[Any]) -> ColumnElement[bool]:
    """The condition of a time in another form than SQLAlchemy's, with a fraction of any length or none."""
    time = type_coerce(column, String())
    form: ColumnElement[bool] = time.bool_op("GLOB")(_DAY)
    if isinstance(column.type, DateTime):
        fraction = func.substr(time, 21)
        finer = time.bool_op("GLOB")(f"{_SECOND}.[0-9]*"), not_(fraction.bool_op("GLOB")("*[^0-9]*"))
        form = or_(time.bool_op("GLOB")(_SECOND), and_(*finer))
    return not_(form)


def refused(rows: int, column: Column[Any], place: str) -> BadData:
    """The error for such times."""
    form = "YYYY-MM-DD HH:MM:SS.ffffff" if isinstance(column.type, DateTime) else "YYYY-MM-DD"
    return BadData(
        f"{rows} rows of {place} have a {column.name} that is not text like {form}: correct them, or read "
        "with `type: sqlite` a view that makes instants of them, as by "
        f"strftime('%Y-%m-%dT%H:%M:%f', {column.name}) || '000Z'."
    )


def _edge(value: date) -> str:
    # Without zeros at its end no text of the same time comes before it.
    return str(value).rstrip("0") if isinstance(value, datetime) and value.microsecond else str(value)

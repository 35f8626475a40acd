"""Which columns of a table a source reads."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from pipeline_framework.errors import BadData, Misuse

K = TypeVar("K")


def chosen(present: Mapping[str, K], time_field: str, wanted: Sequence[str], place: str) -> dict[str, K]:
    """The wanted columns and the time field by type, in the table's order; all where none are wanted.

    Raises `Misuse` where there is no table, `BadData` naming the nearest for a column that it lacks.
    """
    if not present:
        raise Misuse(f"{place} is not there: correct `source.table`, or where to look for it.")
    for name in (time_field, *wanted):
        if name not in present:
            near = get_close_matches(name, present, 1, 0)[0]
            raise BadData(f"{place} has no column {name}; the nearest is {near}. Correct the name.")
    return {name: kind for name, kind in present.items() if not wanted or name in {time_field, *wanted}}


def chosen_by_time(
    present: Mapping[str, str], time_field: str, wanted: Sequence[str], place: str, times: str
) -> dict[str, str]:
    """The same of types in the database's words, of which those of times match `times` from the beginning.

    Raises `BadData` also for a time field of another type.
    """
    kinds = chosen(present, time_field, wanted, place)
    if not re.match(times, kinds[time_field]):
        raise no_time(time_field, place, kinds[time_field])
    return kinds


def no_time(time_field: str, place: str, kind: object) -> BadData:
    """The error for a time field of a type that holds no times."""
    return BadData(
        f"The time field {time_field} of {place} is {kind}, not a time: name another `source.time_field`, or "
        "read a view that makes a timestamp of it."
    )

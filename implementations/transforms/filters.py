"""Rows left out by the values of their columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.times import TimeField
from implementations.transforms.known import require
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.interfaces import PutAside

Value = bool | int | float | str | None
Test = Callable[[pa.Array, Any, str], pa.Array]


@dataclass(frozen=True)
class Filter:
    """Keeps the rows that meet every condition: `filter: {carrier: [AA, DL], delay: {">=": 15}}`.

    A condition is a value (null: has none), a list of them, or a mapping of `=`, `!=`, `<`, `<=`, `>`, `>=`,
    `in`, `not in`, `matches` (a regular expression that the text contains) to what it compares with. As in
    SQL, a NULL is not different from anything, and only null finds it.
    """

    filter: Mapping[str, Value | Sequence[Value] | Mapping[str, Value | Sequence[Value]]]

    def __post_init__(self) -> None:
        for name, condition in self.filter.items():
            for word in condition if isinstance(condition, Mapping) else ():
                if word not in _TESTS:
                    raise Misuse(f"`filter.{name}`: there is no test '{word}'; known: {', '.join(_TESTS)}.")

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        require(self.filter, batch.schema)
        masks = [
            _TESTS[word](batch.column(batch.schema.get_field_index(name)), value, name)
            for name, condition in self.filter.items()
            for word, value in _tests(condition).items()
        ]
        return batch.filter(reduce(pc.and_kleene, masks)) if masks else batch


def _tests(condition: Any) -> Mapping[str, Any]:
    if isinstance(condition, Mapping):
        return condition
    return {"in": condition} if isinstance(condition, list | tuple) else {"=": condition}


def _compared(function: str, column: pa.Array, value: Value, name: str) -> pa.Array:
    if value is None:
        missing = pc.is_null(column)
        return pc.invert(missing) if function == "not_equal" else missing
    return pc.call_function(function, [column, _like(column, [value], name)[0]])


def _one_of(column: pa.Array, values: Sequence[Value], name: str) -> pa.Array:
    known = [value for value in values if value is not None]
    found = pc.is_in(column, _like(column, known, name))
    return pc.or_(found, pc.is_null(column)) if len(known) < len(values) else found


def _none_of(column: pa.Array, values: Sequence[Value], name: str) -> pa.Array:
    return pc.and_(pc.invert(_one_of(column, values, name)), pc.is_valid(column))


def _matching(column: pa.Array, pattern: Value, name: str) -> pa.Array:
    try:
        return pc.match_substring_regex(column, str(pattern))
    except pa.ArrowInvalid as refused:
        raise Misuse(f"`filter.{name}`: {refused}; correct the expression.") from None
    except pa.ArrowNotImplementedError:
        raise Misuse(f"`filter.{name}`: {column.type} is no text; only text matches.") from None


def _like(column: pa.Array, values: Sequence[Value], name: str) -> pa.Array:
    """Values of a configuration as values of a column, exactly."""
    texts = pa.array(
        [str(value).lower() if isinstance(value, bool) else str(value) for value in values], pa.string()
    )
    try:
        if pa.types.is_timestamp(column.type):
            return (
                TimeField(name, unit="iso")
                .utc(texts, "the filter")
                .view(pa.timestamp("us"))
                .cast(column.type)
            )
        return texts.cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, BadData):
        shown = ", ".join(map(str, values))
        raise Misuse(f"`filter.{name}`: {shown} is no {column.type}, which the column is.") from None


_TESTS: Mapping[str, Test] = {
    "=": partial(_compared, "equal"),
    "!=": partial(_compared, "not_equal"),
    "<": partial(_compared, "less"),
    "<=": partial(_compared, "less_equal"),
    ">": partial(_compared, "greater"),
    ">=": partial(_compared, "greater_equal"),
    "in": _one_of,
    "not in": _none_of,
    "matches": _matching,
}

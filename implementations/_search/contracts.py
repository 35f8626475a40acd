"""What staged columns are to a mapping: which of their fields it lacks, and documents without these."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from implementations._search.field_types import field_of, members
from implementations.loading.dialect import Contract
from implementations.reading.json_types import keeps_json
from pipeline_framework.errors import BadData

Fields = Mapping[str, Any]  # the properties of a mapping, or of an object in it


def lacking(columns: Iterable[pa.Field], there: Fields) -> dict[str, Any]:
    """What a mapping would have to take up; of an object that it has, the members that this one lacks."""
    found = {column.name: _lacking(column, there.get(column.name)) for column in columns}
    return {name: field for name, field in found.items() if field}


def _lacking(column: pa.Field, there: Fields | None) -> dict[str, Any] | None:
    if there is None:
        return field_of(column)
    if keeps_json(column) or there.get("enabled") is False:
        return None
    more = lacking(members(column.type), there.get("properties", {}))
    kind = {"type": "nested"} if there.get("type") == "nested" else {}
    return {**kind, "properties": more} if more else None


def paths(lacks: Fields, there: Fields) -> Iterator[str]:
    """The names of what is lacking, a dot before what is inside of an object."""
    for name in lacks:
        if name in there:
            yield from (f"{name}.{inner}" for inner in paths(*_inside(name, lacks, there)))
        else:
            yield name


def require(contract: Contract, name: str, lacks: Fields, there: Fields | None) -> None:
    """Raise `BadData` where the contract makes no index, or adds no field, and one would be needed."""
    if contract == "evolve":
        return
    if there is None:
        raise BadData(
            f"There is no index {name}, and `target.contract: {contract}` makes none: create it, or let the "
            "contract `evolve`."
        )
    if contract == "freeze" and lacks:
        raise BadData(
            f"Index {name} has no field {next(paths(lacks, there))}, which is staged, and `target.contract: "
            "freeze` adds none: add it, or let the contract `evolve` or `discard` it."
        )


def without(value: Any, lacks: Fields, there: Fields) -> Any:
    """A document, or a part of one, without the fields that its mapping lacks."""
    if isinstance(value, list):
        return [without(each, lacks, there) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without(part, *_inside(name, lacks, there)) if name in lacks else part
        for name, part in value.items()
        if name not in lacks or name in there
    }


def _inside(name: str, lacks: Fields, there: Fields) -> tuple[Fields, Fields]:
    return lacks[name]["properties"], there[name].get("properties", {})

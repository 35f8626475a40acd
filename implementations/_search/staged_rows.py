"""Staged rows, looked at before the first is sent: there is no transaction that could take it back."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from implementations._search.indices import Index
from implementations._search.loads import differ
from implementations.reading.times import TimeField, inside
from pipeline_framework.errors import BadData, StageLost
from pipeline_framework.interfaces import Staged
from pipeline_framework.windows import Window


def judged(staged: Staged, window: Window, index: Index) -> int:
    """How many they are.

    Raises `StageLost` where the manifest says otherwise, `BadData` for rows of other windows or scopes, and
    for numbers that JSON cannot say.
    """
    rows = 0
    for batch in staged.batches():
        rows += batch.num_rows
        _of_the_window(batch, window, index)
        _of_the_scope(batch, index.scope, index.name)
        for column, name in zip(batch.columns, batch.schema.names, strict=True):
            _require_finite(column, name)
    if staged.manifest.rows not in {None, rows}:
        raise StageLost(
            f"{rows} rows are staged for {window} of index {index.name}, where the manifest "
            f"{staged.manifest.address} says {staged.manifest.rows}; nothing was changed, and the window is "
            "staged again."
        )
    return rows


def _of_the_window(batch: pa.RecordBatch, window: Window, index: Index) -> None:
    column = batch.column(batch.schema.get_field_index(index.time_field))
    times = TimeField(index.time_field).utc(column, f"what is staged for index {index.name}")
    outside = batch.num_rows - (pc.sum(inside(times, window)).as_py() or 0)
    if outside:
        raise BadData(
            f"{outside} staged rows lie outside the window {window} by the field {index.time_field} of index "
            f"{index.name}; nothing was changed. Let source and target name the same time."
        )


def _of_the_scope(batch: pa.RecordBatch, scope: Mapping[str, str | int], name: str) -> None:
    for wanted, value in scope.items():
        if wanted in batch.schema.names:
            found = batch.column(batch.schema.get_field_index(wanted)).unique().to_pylist()
            if any(each is None or differ(each, value) for each in found):
                raise BadData(
                    f"Staged rows carry other values of {wanted} than {value}, the scope of index {name}; "
                    "nothing was changed. Correct `target.scope`, or filter the rows."
                )


def _require_finite(column: pa.Array, name: str) -> None:
    if pa.types.is_floating(column.type) and pc.all(pc.is_finite(column)).as_py() is False:
        raise BadData(
            f"Column {name} holds numbers that are infinite or none, which JSON has no word for; nothing was "
            "changed. Cast or filter them at the source."
        )
    if pa.types.is_nested(column.type):
        for part in column.flatten() if pa.types.is_struct(column.type) else [column.flatten()]:
            _require_finite(part, name)

"""Values that can be converted, told from those that cannot."""

from collections.abc import Callable, Container

import pyarrow as pa

from pipeline_framework.errors import BadData

# The time of a row as an array of one, the row as it was written, why it does not fit, and its place.
PutAside = Callable[[pa.Array, bytes, str, str], None]


def fitting(
    column: pa.Array, kind: pa.DataType, converted: Callable[[pa.Array], pa.Array]
) -> tuple[pa.Array, list[int]]:
    """The column converted to `kind`, NULL where a value cannot be, and the rows of those.

    `converted` raises `pa.ArrowInvalid` or `BadData` for a column in which one value cannot be.
    """
    try:
        return converted(column), []
    except (pa.ArrowInvalid, BadData):
        return _by_halves(column, kind, converted)


def _by_halves(
    column: pa.Array, kind: pa.DataType, converted: Callable[[pa.Array], pa.Array]
) -> tuple[pa.Array, list[int]]:
    if len(column) <= 1:
        return pa.nulls(len(column), kind), list(range(len(column)))
    middle = len(column) // 2
    # Taken, not sliced: the values of a sliced list's neighbours are converted with it.
    first, misfits = fitting(column.take(pa.array(range(middle))), kind, converted)
    second, others = fitting(column.take(pa.array(range(middle, len(column)))), kind, converted)
    return pa.concat_arrays([first, second]), [*misfits, *(middle + row for row in others)]


def all_but(rows: Container[int], length: int) -> pa.Array:
    """A mask of so many rows that leaves these out."""
    return pa.array([row not in rows for row in range(length)], pa.bool_())

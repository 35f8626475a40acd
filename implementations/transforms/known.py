"""Columns that a transform names must be there."""

from collections.abc import Iterable
from difflib import get_close_matches

import pyarrow as pa

from pipeline_framework.errors import Misuse


def require(names: Iterable[str], schema: pa.Schema) -> None:
    """Raise `Misuse` for the first column that is not there; it names the nearest one."""
    for name in names:
        if name not in schema.names:
            near = get_close_matches(name, schema.names, 1, 0) or ["none, as all were left out"]
            raise Misuse(f"There is no column {name} at this point; the nearest is {near[0]}.")

"""Columns renamed, left out, or added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from implementations.transforms.known import require
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import PutAside


@dataclass(frozen=True)
class Rename:
    """Gives columns other names: `rename: {old: new}`; a time field that is renamed is so for the target."""

    rename: Mapping[str, str]

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        require(self.rename, batch.schema)
        names = [self.rename.get(name, name) for name in batch.schema.names]
        if twice := [name for name in names if names.count(name) > 1]:
            raise Misuse(f"Two columns would be {twice[0]}: drop one of them before, or choose another name.")
        return batch.rename_columns(names)


@dataclass(frozen=True)
class Drop:
    """Leaves columns out: `drop: [one, another]`."""

    drop: Sequence[str]

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        require(self.drop, batch.schema)
        return batch.drop_columns(list(self.drop))


@dataclass(frozen=True)
class Keep:
    """Leaves all columns out but these, which come in this order: `keep: [one, another]`."""

    keep: Sequence[str]

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        require(self.keep, batch.schema)
        return batch.select(list(self.keep))


@dataclass(frozen=True)
class Constants:
    """Adds columns of one value: `constants: {origin: api, version: 3}`.

    Text, whole numbers (int64), numbers (double), true and false; a `cast` behind it makes other types.
    """

    constants: Mapping[str, bool | int | float | str]

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        for name, value in self.constants.items():
            if name in batch.schema.names:
                raise Misuse(f"There is a column {name} already: drop or rename it before.")
            batch = batch.append_column(name, pa.repeat(value, batch.num_rows))
        return batch

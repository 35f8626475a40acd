"""What a window's rows do with the rows that are in the table already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from pipeline_framework.errors import Misuse

Mode = Literal["replace_window", "append", "overwrite", "upsert", "upsert_only", "append_delete"]
MERGES: frozenset[Mode] = frozenset({"upsert", "upsert_only", "append_delete"})
DELETES: frozenset[Mode] = frozenset({"upsert", "append_delete"})


@dataclass(frozen=True, slots=True)
class Write:
    """How a window is written (`target.write`).

    `mode`: `replace_window`: its rows take the place of the window's rows. `append`: they are added, once.
    `overwrite`: they take the place of all rows, which only a pipeline of one window may do. `upsert`: a row
    takes the place of the row of its `key`, unless that one is newer; marked rows delete. `upsert_only`: the
    same without deletes. `append_delete`: a row is added where its key is not there; marked rows delete.
    `key`: columns that name a row. `version_by`: the column by which one row is newer than another; the time
    field unless given. `deleted_by`: a boolean that is true, or a time that is there, marks a row as deleted.
    `deletes`: `hard` takes the row out and keeps its key and version in a table `…_deleted`, so that no
    older row brings it back; `soft` puts the marked row in its place.
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}  # a mistyped key would be ignored

    mode: Mode = "replace_window"
    key: Sequence[str] = ()
    version_by: str | None = None
    deleted_by: str | None = None
    deletes: Literal["hard", "soft"] = "hard"

    def __post_init__(self) -> None:
        if self.merges and not self.key:
            raise Misuse(f"`write.mode: {self.mode}` needs `write.key`: the columns that name a row.")
        if not self.merges and (self.key or self.version_by):
            raise Misuse(f"`write.mode: {self.mode}` knows no `key` and no `version_by`: take them away.")
        if self.mode == "append_delete" and (not self.deleted_by or self.deletes == "soft"):
            raise Misuse(
                "`write.mode: append_delete` needs `deleted_by`, and `deletes: hard`: it changes no row."
            )
        if self.deleted_by and self.mode not in DELETES:
            raise Misuse(f"`write.mode: {self.mode}` deletes no rows: take `deleted_by` away, or use upsert.")

    @property
    def merges(self) -> bool:
        """Whether rows meet by key, after which a window's rows cannot be told from those of others."""
        return self.mode in MERGES

    @property
    def buries(self) -> bool:
        """Whether deleted rows go, and leave key and version beside the table."""
        return self.deleted_by is not None and self.deletes == "hard"

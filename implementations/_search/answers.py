"""What a search answers: pages of documents, counts, refusals."""

from typing import Any, Generic, TypeVar

import msgspec

from pipeline_framework.errors import Unavailable

T = TypeVar("T")


class Hit(msgspec.Struct, Generic[T], gc=False):
    """A document with its id, and where the next page begins behind it."""

    id: str = msgspec.field(name="_id")
    source: T = msgspec.field(name="_source")
    sort: list[Any] = msgspec.field(default_factory=list)


class Total(msgspec.Struct):
    """How many documents match; `relation` is `eq` when that is exact."""

    value: int
    relation: str


class Hits(msgspec.Struct, Generic[T]):
    """The documents of a page."""

    hits: list[Hit[T]]
    total: Total | None = None


class Shards(msgspec.Struct):
    """How many shards did not answer."""

    failed: int = 0


class Refused(msgspec.Struct):
    """How one of several searches that were asked at once went."""

    status: int


class Page(msgspec.Struct, Generic[T]):
    """An answer of `_search`."""

    hits: Hits[T]
    timed_out: bool
    shards: Shards = msgspec.field(name="_shards")
    pit_id: str | None = None

    def whole(self, where: str) -> "Page[T]":
        """The page itself; `Unavailable` when shards are missing from it."""
        if self.timed_out or self.shards.failed:
            raise Unavailable(
                f"{where} answered without {self.shards.failed} of its shards (timed out: {self.timed_out}); "
                "nothing of it is believed."
            )
        return self

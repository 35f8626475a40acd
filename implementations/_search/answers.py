"""What a search answers: pages of documents, counts, refusals."""

import re
from typing import Any, Generic, TypeVar

import msgspec

from pipeline_framework.errors import Unavailable

T = TypeVar("T")
_FAR = 4096  # bytes at the end of an answer in which its last place stands: an index has a name of 255
_POINT = re.compile(rb'\{"pit_id":"([^"\\]+)"')
# The brackets close the place, its hit, the hits and the answer: text within a document cannot end so.
_PLACE = re.compile(rb'"sort":(\[-?\d+(?:,"[^"\\]*")?\])\}\]\}\}\s*$')


class Hit(msgspec.Struct, Generic[T], gc=False):
    """A document."""

    source: T = msgspec.field(name="_source")


class Named(msgspec.Struct, Generic[T], gc=False):
    """A document with its id, which takes a third of the time to decode."""

    source: T = msgspec.field(name="_source")
    id: str = msgspec.field(name="_id")


class Placed(msgspec.Struct):
    """Where the next page begins behind a document."""

    sort: list[Any]


class Total(msgspec.Struct):
    """How many documents match; `relation` is `eq` when that is exact."""

    value: int
    relation: str


class Hits(msgspec.Struct, Generic[T]):
    """The documents of a page, each as a `T`."""

    hits: list[T]
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


def edges(answer: bytes, where: str) -> tuple[str | None, list[Any] | None]:
    """The newest name of the point in time, and where the next page begins; None where this one is empty.

    They stand at both ends of an answer, which makes it possible to ask for the next page before this one is
    decoded; an answer that is written in another way is decoded for it.
    """
    point, place = _POINT.match(answer), _PLACE.search(answer, max(0, len(answer) - _FAR))
    if point and place:
        return point[1].decode(), msgspec.json.decode(place[1])
    try:
        page = msgspec.json.decode(answer, type=Page[Placed])
    except msgspec.DecodeError as error:
        raise Unavailable(f"{where} was answered with what is no page of documents ({error}).") from error
    return page.pit_id, page.hits.hits[-1].sort if page.hits.hits else None

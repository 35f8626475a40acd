"""Several streams at once: all of their items, a bounded number ahead, and an end to all of them."""

import threading
import time
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import given

from implementations.reading.paging import merged


@given(st.lists(st.lists(st.integers(), max_size=20), min_size=1, max_size=4), st.integers(1, 3))
def test_every_item_comes_once_and_each_stream_in_its_order(streams: list[list[int]], ahead: int) -> None:
    """Streams mix; none loses an item or changes its order."""
    named = [[(number, item) for item in stream] for number, stream in enumerate(streams)]
    found = list(merged(named, ahead))
    assert [[pair for pair in found if pair[0] == number] for number in range(len(streams))] == named


def test_streams_wait_for_whoever_takes_from_them() -> None:
    """Memory is bounded: no more than `ahead` items wait, and one is in each stream's hand."""
    made = list[int]()

    def stream() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = merged([stream()], ahead=3)
    assert next(items) == 0
    time.sleep(0.3)
    assert len(made) <= 5
    items.close()


def test_an_error_ends_them_all() -> None:
    """It is raised where the items are taken, and no thread stays behind."""
    before = threading.active_count()

    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("the second page")

    def endless() -> Iterator[int]:
        while True:
            yield 2

    with pytest.raises(KeyError, match="the second page"):
        list(merged([broken(), endless()]))
    assert threading.active_count() == before


def test_who_stops_taking_ends_them() -> None:
    """Closing the iterator joins every thread."""
    before = threading.active_count()
    items = merged([iter(range(10**9)), iter(range(10**9))])
    next(items)
    items.close()
    assert threading.active_count() == before

"""Whoever is in the way is waited for, in turns between which it may be made to go."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from implementations.loading.dialect import Table
from implementations.loading.waiting import Busy, patiently, window_key
from pipeline_framework.errors import Unavailable
from pipeline_framework.testing.truth import AFTER, lock_for


def raising(*errors: Exception) -> tuple[Callable[[], str], list[str]]:
    """Work that fails so, one time after the other, and then answers; and what happened."""
    left, happened = list(errors), list[str]()

    def work() -> str:
        happened.append("turn")
        if left:
            raise left.pop(0)
        return "done"

    return work, happened


def test_way_is_made_before_each_new_turn() -> None:
    """Not before the first one, for which nobody may be in the way."""
    work, happened = raising(Busy("one"), Busy("two"))
    assert patiently(work, 30, lambda: happened.append("way")) == "done"
    assert happened == ["turn", "way", "turn", "way", "turn"]


def test_only_who_is_busy_is_waited_for() -> None:
    """Another error is told at once, also one that may pass."""
    work, happened = raising(Unavailable("gone"))
    with pytest.raises(Unavailable, match="gone"):
        patiently(work, 30)
    assert happened == ["turn"]


def test_the_wait_has_an_end() -> None:
    """Then the last error is told as it is."""
    work, happened = raising(Busy("first"), *[Busy("last")] * 1000)
    with pytest.raises(Busy, match="last"):
        patiently(work, 0.3)
    assert 1 < len(happened) < 20


def test_no_wait_is_one_turn() -> None:
    """`wait_seconds: 0` asks once."""
    work, happened = raising(Busy("first"))
    with pytest.raises(Busy):
        patiently(work, 0)
    assert happened == ["turn"]


def test_a_key_is_of_one_window_of_one_pipeline_into_one_place() -> None:
    """Whatever of these differs, the key does; epoch and owner do not matter."""
    table, lock = Table("main", "flights", "at"), lock_for()
    others = [
        (table, lock_for(AFTER)),
        (table, replace(lock, pipeline_id="other")),
        (table, replace(lock, mapping_name="other")),
        (replace(table, name="other"), lock),
        (replace(table, schema="other"), lock),
        (replace(table, scope={"carrier": "AA"}), lock),
    ]
    keys = {window_key(*each) for each in [(table, lock), *others]}
    assert len(keys) == len(others) + 1
    assert window_key(table, lock) == window_key(table, replace(lock, epoch=99, owner="other"))
    assert window_key(table, lock) == window_key(replace(table, name="Flights"), lock)

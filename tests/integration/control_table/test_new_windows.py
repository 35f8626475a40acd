"""Windows enter the table once each, never across another, on both databases."""

from datetime import timedelta

import pytest

from pipeline_framework.control_table import Database, PipelineKey, new_windows
from pipeline_framework.errors import Misuse, Transient
from pipeline_framework.windows import FixedGrid, Granularity, Window
from tests.integration.control_table.stories import FIRST, HOUR, HOURLY, add_hours, claim, hour, new, read
from tests.services.control import insert


def test_adding_again_adds_nothing(control: Database, key: PipelineKey) -> None:
    """A window is added once, whoever adds it; a longer page adds only what is new."""
    assert add_hours(control, key, 5) == 5
    assert add_hours(control, key, 5) == 0
    assert add_hours(control, key, 8) == 3


def test_new_window_waits_with_all_it_was_given(control: Database, key: PipelineKey) -> None:
    """The row says what its NewWindow said; everything else is at the beginning."""
    row = new(hour(0), key_x="a;'b", key_y="2013-03-10T00:00:00.000000Z", source_name="s", target_name="t")
    new_windows.add(control, key, HOURLY, [row])
    record = claim(control, key)
    given = row.columns()
    assert {name: getattr(record, name) for name in given} == given
    assert (record.window, record.mapping_name, record.retry_attempt) == (hour(0), "", 0)


def test_pages_are_added_whole(control: Database, key: PipelineKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """More windows than fit a page come in by several, and the sum is told."""
    monkeypatch.setattr(new_windows, "PAGE", 7)
    assert add_hours(control, key, 20) == 20


def test_overlapping_window_is_refused(control: Database, key: PipelineKey) -> None:
    """A window that crosses one that is there is refused with both named, and its page is not added."""
    add_hours(control, key, 3)
    crossing = Window(FIRST + 2.5 * HOUR, FIRST + 3.5 * HOUR)
    with pytest.raises(Misuse, match=r"T02:30:00Z/.* overlaps .*T02:00:00Z/"):
        new_windows.add(control, key, HOURLY, [new(hour(7)), new(crossing)])
    assert new_windows.islands(control, key) == [Window(FIRST, FIRST + 3 * HOUR)]


@pytest.mark.parametrize(("start", "end"), [(0, 2), (1.25, 1.75), (0.5, 1.5), (1, 1.5), (1.5, 2), (0, 9)])
def test_every_kind_of_overlap_is_seen(control: Database, key: PipelineKey, start: float, end: float) -> None:
    """Around, inside, across either edge, sharing an edge."""
    new_windows.add(control, key, HOURLY, [new(hour(1))])
    crossing = Window(FIRST + start * HOUR, FIRST + end * HOUR)
    with pytest.raises(Misuse, match="overlaps"):
        new_windows.add(control, key, HOURLY, [new(crossing)])


def test_neighbours_and_other_pipelines_do_not_overlap(control: Database, key: PipelineKey) -> None:
    """Touching is not overlapping, and another mapping has windows of its own."""
    new_windows.add(control, key, HOURLY, [new(hour(1))])
    assert new_windows.add(control, key, HOURLY, [new(hour(0)), new(hour(2))]) == 2
    other = PipelineKey(key.pipeline_id, "orders")
    assert new_windows.add(control, other, HOURLY, [new(Window(FIRST, FIRST + 9 * HOUR))]) == 1


def test_windows_of_a_page_may_not_overlap_each_other(control: Database, key: PipelineKey) -> None:
    """Two of one page that cross each other are refused before anything is written."""
    with pytest.raises(Misuse, match="two of the windows to add cover"):
        new_windows.add(control, key, HOURLY, [new(hour(0)), new(Window(FIRST + 0.5 * HOUR, FIRST + HOUR))])
    assert new_windows.islands(control, key) == []


def test_islands_are_the_contiguous_stretches(control: Database, key: PipelineKey) -> None:
    """Holes end a stretch, whatever the order in which windows came; other pipelines do not fill them."""
    for number in (5, 0, 1, 9, 4):
        new_windows.add(control, key, HOURLY, [new(hour(number))])
    new_windows.add(control, PipelineKey(key.pipeline_id, "other"), HOURLY, [new(hour(2))])
    expected = [(0, 2), (4, 6), (9, 10)]
    assert new_windows.islands(control, key) == [
        Window(FIRST + start * HOUR, FIRST + end * HOUR) for start, end in expected
    ]


def test_islands_see_through_overlaps_made_by_hand(control: Database, key: PipelineKey) -> None:
    """A long window that contains others covers them all: no false hole behind the inner ones."""
    for start, end in ((0, 9), (1, 2), (8, 10)):
        insert(control, key, Window(FIRST + start * HOUR, FIRST + end * HOUR))
    assert new_windows.islands(control, key) == [Window(FIRST, FIRST + 10 * HOUR)]


def test_grid_history_is_kept(control: Database, key: PipelineKey) -> None:
    """None before the first window; afterwards the history that the windows were cut by."""
    assert new_windows.grid_history(control, key) is None
    add_hours(control, key, 2)
    assert new_windows.grid_history(control, key) == HOURLY
    longer = HOURLY.followed_by(FixedGrid(Granularity.parse("2h")), hour(2).start)
    new_windows.add(control, key, longer, [new(Window(hour(2).start, hour(2).start + timedelta(hours=2)))])
    assert new_windows.grid_history(control, key) == longer


def test_windows_of_an_outdated_grid_are_not_added(control: Database, key: PipelineKey) -> None:
    """Whoever still cuts by the old grid after another process left it has to generate again."""
    add_hours(control, key, 2)
    longer = HOURLY.followed_by(FixedGrid(Granularity.parse("2h")), hour(2).start)
    new_windows.add(control, key, longer, [new(Window(hour(2).start, hour(2).start + timedelta(hours=2)))])
    with pytest.raises(Transient, match="changed the grid"):
        new_windows.add(control, key, HOURLY, [new(hour(4))])
    assert new_windows.grid_history(control, key) == longer


def test_grid_that_was_never_used_may_be_replaced(control: Database, key: PipelineKey) -> None:
    """A change that no window was cut by yet does not bind a later change."""
    add_hours(control, key, 2)
    announced = HOURLY.followed_by(FixedGrid(Granularity.parse("2h")), hour(9).start)
    new_windows.add(control, key, announced, [new(hour(2))])
    third = HOURLY.followed_by(FixedGrid(Granularity.parse("3h")), hour(3).start)
    assert new_windows.add(control, key, third, [new(Window(hour(3).start, hour(6).start))]) == 1


def test_fields_of_a_row_are_typed(control: Database, key: PipelineKey) -> None:
    """Days are dates, times are aware, counts are numbers: the same on both databases."""
    add_hours(control, key, 1)
    record = read(control, claim(control, key).id)
    assert record.target_day == FIRST.date()
    assert record.window_start_time.utcoffset() == timedelta(0)
    assert record.as_json()["window_start_time"] == "2013-03-10T00:00:00Z"

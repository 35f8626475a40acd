"""A plan comes row by row, however many windows there are."""

from datetime import timedelta
from itertools import islice
from typing import Any
from unittest.mock import patch

from pipeline_framework.generation import Choice, described, generate
from pipeline_framework.operations.run import run_once
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports import plan as plans
from tests.unit.conftest import NOW


def starts(rows: list[dict[str, Any]]) -> list[Any]:
    """When the windows begin."""
    return [row["window_start_time"] for row in rows]


def test_windows_that_wait_and_windows_to_add_come_in_one_order(scripted: Pipeline) -> None:
    """Some in the middle are there already; the plan is by time all the same, each window once."""
    generate(scripted, NOW, Choice(first=NOW - timedelta(hours=6), last=NOW - timedelta(hours=3)))
    rows = list(plans.plan(scripted, NOW))
    assert starts(rows) == sorted(starts(rows))
    assert len(set(starts(rows))) == len(rows) == 12
    assert [row["id"] is None for row in rows] == [True] * 6 + [False] * 3 + [True] * 3


def test_with_finished_windows_among_them(scripted: Pipeline) -> None:
    """What a forced backfill would load again stands where its time is."""
    assert run_once(scripted, NOW).done
    rows = list(plans.with_finished(scripted, NOW))
    assert [str(row["pipeline_status"]) for row in rows] == ["COMPLETED"] + ["PENDING"] * 11
    assert starts(rows) == sorted(starts(rows))


def test_a_plan_describes_no_more_windows_than_are_looked_at(scripted: Pipeline) -> None:
    """The first rows cost the first windows alone, so that a plan of any length fits the memory."""
    with patch("pipeline_framework.reports.plan.described", wraps=described) as asked:
        assert len(list(islice(plans.plan(scripted, NOW), 3))) == 3
    assert asked.call_count <= 4

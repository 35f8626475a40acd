"""The audit's judgement, number by number."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.audit import Counts, judge

SOUND = Counts(
    source_count=8113, staged=8113, bad=0, filtered=0, loaded=8113, target_count=8113, source_now=8113
)
numbers = st.integers(min_value=0, max_value=10**12)


def test_equal_numbers_are_sound() -> None:
    """All five numbers agree: the window is sound and not empty."""
    verdict = judge(SOUND)
    assert (verdict.sound, verdict.empty) == (True, False)
    assert verdict.explanation == "all 8,113 rows are in the target"


def test_nothing_in_source_and_target_is_empty() -> None:
    """No row expected and none there is its own result."""
    verdict = judge(Counts(0, 0, 0, 0, 0, 0, 0))
    assert (verdict.sound, verdict.empty) == (True, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"staged": 8101, "loaded": 8101, "target_count": 8101},
            "12 of 8,113 rows were lost between source and stage",
        ),
        ({"loaded": 8101, "target_count": 8101}, "12 of 8,113 rows were lost between stage and target"),
        ({"loaded": 8112, "target_count": 8112}, "1 of 8,113 rows was lost between stage and target"),
        (
            {"staged": 8114, "loaded": 8114, "target_count": 8114},
            "1 row too many came out between source and stage",
        ),
        ({"target_count": 8118}, "5 rows in the target were not put there by this load"),
        ({"target_count": 8110}, "3 of 8,113 rows left the target after the load"),
    ],
)
def test_a_difference_is_explained_where_it_arose(change: dict[str, Any], words: str) -> None:
    """The explanation names the pair of stations between which rows were lost or came in."""
    verdict = judge(replace(SOUND, **change))
    assert not verdict.sound
    assert words in verdict.explanation


def test_what_cannot_be_counted_is_judged_by_what_the_load_reported() -> None:
    """Merged rows cannot be told from others' in the target: what the merge did with them is told instead."""
    changes = {"inserted": 8000, "updated": 100, "deleted": 13}
    verdict = judge(replace(SOUND, target_count=None, changes=changes))
    assert (verdict.sound, verdict.counts.difference) == (True, 0)
    told = "all 8,113 rows were loaded (8,000 inserted, 100 updated, 13 deleted)"
    assert verdict.explanation == told
    assert verdict.detail()["changes"] == changes
    short = judge(replace(SOUND, loaded=8112, target_count=None))
    assert "1 of 8,113 rows was lost between stage and target" in short.explanation


def test_rows_put_aside_or_filtered_are_not_lost() -> None:
    """Read = staged + bad + filtered holds, so the smaller target is right."""
    verdict = judge(replace(SOUND, staged=8000, bad=13, filtered=100, loaded=8000, target_count=8000))
    assert verdict.sound
    assert verdict.counts.difference == 0
    told = "all 8,000 rows are in the target; 13 rows that do not fit were put aside"
    assert verdict.explanation == told


def test_late_data_does_not_break_a_window() -> None:
    """Rows that reached the source after the reading are told of, and the window stays sound."""
    verdict = judge(replace(SOUND, source_now=8120))
    assert verdict.sound
    assert "late data: the source has 7 rows more now" in verdict.explanation


def test_a_module_of_functions_is_judged_by_two_numbers() -> None:
    """Without the inner counts, source and target decide."""
    known = Counts(None, None, None, None, None, target_count=10, source_now=12)
    assert judge(known).explanation == "2 of 12 rows were lost between source and target"
    assert judge(replace(known, target_count=12)).sound


def test_two_faults_are_both_named() -> None:
    """A loss in the load and foreign rows that make up for it do not hide each other."""
    verdict = judge(replace(SOUND, loaded=8110, target_count=8113))
    assert "lost between stage and target" in verdict.explanation
    assert "not put there by this load" in verdict.explanation


def test_percentage_is_of_the_rows_that_should_be_there() -> None:
    """A tenfold target is 900 percent too many; nothing expected has no ratio."""
    assert replace(SOUND, target_count=81130).percentage == -900
    assert Counts(0, 0, 0, 0, 0, 5, 0).percentage is None


@given(numbers, numbers, numbers)
def test_equal_source_and_target_never_hide_an_inner_loss(source: int, staged: int, loaded: int) -> None:
    """A window is sound only when every neighbouring pair of stations agrees."""
    verdict = judge(Counts(source, staged, 0, 0, loaded, source, source))
    assert verdict.sound == (source == staged == loaded)


@given(numbers, numbers, numbers, numbers)
def test_the_difference_accounts_for_every_row(source: int, bad: int, filtered: int, target: int) -> None:
    """Target + difference + bad + filtered is always what was read."""
    counts = Counts(source, 0, bad, filtered, 0, target, source)
    assert counts.present + counts.difference + bad + filtered == source

"""Staged rows are looked at before the first is sent to an index."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from implementations._search.indices import Index
from implementations._search.staged_rows import judged
from pipeline_framework.errors import BadData, StageLost
from pipeline_framework.interfaces import Staged
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import INSTANT, TICK, TIME_FIELD, WINDOW

INSIDE = [WINDOW.start, WINDOW.start + timedelta(hours=1), WINDOW.end - TICK]


def index(scope: Mapping[str, str | int] | None = None) -> Index:
    """An index that is not there yet, and is not asked."""
    return Index(cast(Any, None), "events", TIME_FIELD, scope or {}, None)


def put(folder: Path, times: list[Any] = INSIDE, rows: int | None = None, **more: list[Any]) -> Staged:
    return staged_in(folder, pa.table({TIME_FIELD: pa.array(times, INSTANT), **more}), rows)


def test_rows_of_the_window_are_counted(tmp_path: Path) -> None:
    """From its start to a tick before its end; also none at all."""
    assert judged(put(tmp_path), WINDOW, index()) == 3
    assert judged(put(tmp_path, []), WINDOW, index()) == 0


@pytest.mark.parametrize("time", [WINDOW.start - TICK, WINDOW.end, None])
def test_a_row_of_no_part_of_the_window_is_refused(tmp_path: Path, time: Any) -> None:
    """A tick outside, or without a time, wherever it stands among others."""
    with pytest.raises(BadData, match=f"1 staged rows .* {TIME_FIELD} of index events"):
        judged(put(tmp_path, [*INSIDE, time]), WINDOW, index())


@pytest.mark.parametrize("promised", [2, 4])
def test_other_rows_than_the_manifest_says_are_refused(tmp_path: Path, promised: int) -> None:
    """Fewer or more; where it says nothing, whatever is there is right."""
    staged = put(tmp_path, rows=promised)
    with pytest.raises(StageLost, match=f"3 rows are staged .* says {promised}; nothing was changed"):
        judged(staged, WINDOW, index())
    unsaid = replace(staged, manifest=replace(staged.manifest, rows=None))
    assert judged(unsaid, WINDOW, index()) == 3


@pytest.mark.parametrize("values", [["AA", "AA", "DL"], ["AA", None, "AA"]])
def test_a_row_of_another_scope_is_refused(tmp_path: Path, values: list[Any]) -> None:
    """Also one that carries none; the message names column and value."""
    with pytest.raises(BadData, match="other values of carrier than AA, the scope of index events"):
        judged(put(tmp_path, carrier=values), WINDOW, index({"carrier": "AA"}))


def test_a_scope_that_is_carried_or_not_staged_is_right(tmp_path: Path) -> None:
    """It is filled in where it is not staged; to a number 7 and '07' are one value."""
    mine = index({"carrier": "AA", "number": 7})
    assert judged(put(tmp_path), WINDOW, mine) == 3
    assert judged(put(tmp_path, carrier=["AA"] * 3, number=["7", "07", "7"]), WINDOW, mine) == 3

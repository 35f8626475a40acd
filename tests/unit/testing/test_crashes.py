"""A load that is to be killed dies before the call that is asked for, under the limits that are given."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing.crashes import killed
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import lock_for

ROWS = 2  # of a request
HERE = "tests.unit.testing.test_crashes"


def request() -> None:
    """Stands in for one."""


class FakeTarget:
    """Loads six rows, in as many requests as they need."""

    def load(self, lock: Lock, staged: Staged) -> None:
        for _ in range(0, 6, ROWS):
            request()


@pytest.mark.parametrize(("rows", "requests"), [(2, 3), (6, 1)])
def test_a_load_dies_before_each_of_its_calls_and_after_none(
    rows: int, requests: int, tmp_path: Path
) -> None:
    """As many as the limit makes of it that is given."""
    staged = staged_in(tmp_path, pa.table({"n": range(6)}))
    died = [
        killed([f"{HERE}.request"], FakeTarget(), lock_for(), staged, step, values={f"{HERE}.ROWS": rows})  # type: ignore[arg-type]
        for step in range(4)
    ]
    assert died == [step < requests for step in range(4)]

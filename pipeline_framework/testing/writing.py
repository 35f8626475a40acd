"""What the parts of the contract of write modes are given, and what they look at."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from pipeline_framework.interfaces import Target
from pipeline_framework.testing.given import to_be_given
from pipeline_framework.testing.meeting import Shown

Writing = Callable[..., Target]


class WritingTargets:
    """Targets of new tables by their `write`; `WriteContract` says what a connector gives."""

    @pytest.fixture
    def writing(self) -> Writing:
        """To be given by the connector's own test."""
        to_be_given(self, "writing")

    def rows(self, target: Target) -> pa.Table:
        """To be given by the connector's own test."""
        to_be_given(self, "rows")

    def same_table(self, writing: Writing, **how: object) -> Target:
        """A target of the table that was made last."""
        return writing(again=True, **how)

    def shown(self, target: Target) -> Shown:
        """The table, without its times."""
        found = self.rows(target).sort_by("id").to_pylist()
        return [(row["id"], row["value"], bool(row["gone"])) for row in found]

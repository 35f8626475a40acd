"""What every target with a `scope` promises, as tests to inherit: pipelines that share one table."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline_framework.errors import BadData, Fenced, Misuse
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing.given import to_be_given
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import AFTER, TIME_FIELD, WINDOW, lock_for, truth
from pipeline_framework.windows import Window

Scoped = Callable[[Mapping[str, str | int]], Target]
Put = Callable[..., Staged]

MINE: Mapping[str, str | int] = {"carrier": 'it\'s "AA"'}
THEIRS: Mapping[str, str | int] = {"carrier": "DL"}


class ScopeContract:
    """Inherit it, give the fixture `scoped`, and `other_spelling` where names of tables have no case.

    `scoped(scope)` answers a target of one and the same table, which does not exist yet, by the time
    field `happened_at`, for the rows of that scope.
    """

    @pytest.fixture
    def scoped(self) -> Scoped:
        """To be given by the connector's own test."""
        to_be_given(self, "scoped")

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        """Stages so many rows of a window, with more columns where they are given."""

        def staged(rows: int, window: Window = WINDOW, **more: object) -> Staged:
            table = truth(window, rows).select([TIME_FIELD, "text"])
            for name, value in more.items():
                table = table.append_column(name, pa.array([value] * rows))
            return staged_in(tmp_path / "staged", table)

        return staged

    def other_spelling(self, target: Target) -> Target:
        """The same table by another name; the target itself where each spelling is a table of its own."""
        return target

    def test_pipelines_with_scopes_apart_share_a_table(self, scoped: Scoped, put: Put) -> None:
        """Each counts, replaces and clears its own rows of the same window, and its ledger row is its own."""
        mine, theirs = scoped(MINE), scoped(THEIRS)
        assert mine.load(lock_for(), put(60)).rows == 60
        assert theirs.load(other(), put(40)).rows == 40
        assert mine.load(lock_for(epoch=2), put(10)).rows == 10
        assert (mine.count(WINDOW), theirs.count(WINDOW)) == (10, 40)
        mine.clear(lock_for(epoch=3))
        assert (mine.count(WINDOW), theirs.count(WINDOW)) == (0, 40)
        found = [target.loaded(lock) for target, lock in ((mine, lock_for()), (theirs, other()))]
        assert [loaded and loaded.rows for loaded in found] == [0, 40]
        for target in (mine, theirs):
            assert "\n" not in target.check()

    def test_a_scope_that_is_staged_is_carried_and_judged(self, scoped: Scoped, put: Put) -> None:
        """Rows that carry the scope are loaded as they are; rows of another are refused, nothing changes."""
        mine, theirs = scoped(MINE), scoped(THEIRS)
        mine.load(lock_for(), put(60, **MINE))
        theirs.load(other(), put(40))
        for foreign in (put(10, **THEIRS), put(10, carrier="UA")):
            with pytest.raises(BadData, match="carrier"):
                mine.load(lock_for(epoch=2), foreign)
        assert (mine.count(WINDOW), theirs.count(WINDOW)) == (60, 40)

    @pytest.mark.parametrize("wider", [{}, {"text": "x"}, {**MINE, "text": "x"}])
    def test_scopes_that_overlap_are_refused(
        self, scoped: Scoped, put: Put, wider: Mapping[str, str | int]
    ) -> None:
        """No scope at all, and one that shares no column with different values: by load, clear and check."""
        scoped(MINE).load(lock_for(), put(60))
        overlapping = scoped(wider)
        for write in (lambda lock: overlapping.load(lock, put(10)), overlapping.clear):
            with pytest.raises(Misuse, match="contract"):
                write(other())
        with pytest.raises(Misuse, match=r"target.scope"):
            overlapping.check()
        assert scoped(MINE).count(WINDOW) == 60
        assert scoped(wider).load(other(AFTER), put(0, AFTER)).rows == 0

    def test_a_table_in_another_spelling_is_the_same_table(self, scoped: Scoped, put: Put) -> None:
        """Its windows are found, fenced and kept from other pipelines, and no check says otherwise."""
        mine, wider = scoped(MINE), self.other_spelling(scoped({}))
        mine.load(lock_for(epoch=2), put(60))
        with pytest.raises(Misuse, match=r"target.scope"):
            wider.check()
        for write in (lambda lock: wider.load(lock, put(10)), wider.clear):
            with pytest.raises(Misuse, match="contract"):
                write(other())
        spelled = self.other_spelling(mine)
        with pytest.raises(Fenced):
            spelled.load(lock_for(epoch=1), put(10))
        assert spelled.load(lock_for(epoch=3), put(10)) == mine.loaded(lock_for())
        assert mine.load(lock_for(epoch=4), put(20)) == spelled.loaded(lock_for())
        assert (mine.count(WINDOW), spelled.count(WINDOW)) == (20, 20)

    def test_values_are_compared_as_the_column_does(self, scoped: Scoped, put: Put) -> None:
        """To an integer 7 and '07' are one value."""
        scoped({"number": 7}).load(lock_for(), put(60))
        with pytest.raises(Misuse):
            scoped({"number": "07"}).load(other(), put(10))
        assert scoped({"number": 8}).load(other(), put(10)).rows == 10

    def test_a_column_that_the_table_lacks_is_named(self, scoped: Scoped, put: Put) -> None:
        """No column is added for a mistyped scope."""
        scoped(MINE).load(lock_for(), put(60))
        for ask in (lambda: scoped({"carier": "AA"}).count(WINDOW), scoped({"carier": "AA"}).check):
            with pytest.raises(BadData, match=r"carier.*nearest is carrier"):
                ask()
        with pytest.raises(BadData, match="carier"):
            scoped({**THEIRS, "carier": "AA"}).load(other(), put(10, carier="AA"))


def other(window: Window = WINDOW) -> Lock:
    """The window, held by another pipeline."""
    return lock_for(window, mapping_name="other")

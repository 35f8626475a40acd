"""What every target with the field `write` promises, as tests to inherit: rows that meet others."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_framework.errors import BadData, Misuse, StageLost
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing.given import to_be_given
from pipeline_framework.testing.meeting import Event, Shown, expected, load, staged
from pipeline_framework.testing.null_contract import NullContract
from pipeline_framework.testing.overwrite_contract import OverwriteContract
from pipeline_framework.testing.truth import TIME_FIELD, WINDOW, lock_for
from pipeline_framework.testing.writing import Writing

events = st.lists(
    st.builds(Event, st.integers(0, 2), st.integers(0, 3), st.integers(0, 119), st.booleans()),
    max_size=24,
    unique_by=lambda event: (event.window, event.id, event.minute),
)
replays = st.lists(st.integers(0, 2), max_size=4)


class WriteContract(OverwriteContract, NullContract):
    """Inherit it, give the fixture `writing`, and the methods `rows` and `crash` as for `TargetContract`.

    `writing(contract=…, scope=…, again=…, **write)` answers a target of a new table, which does not exist
    yet, by the time field `happened_at`, written so; with `again=True` of the table it answered before.
    """

    def crash(self, target: Target, lock: Lock, staged: Staged, step: int) -> bool:
        """To be given by the connector's own test."""
        to_be_given(self, "crash")

    @pytest.mark.parametrize("deletes", ["hard", "soft"])
    def test_upsert_leaves_the_newest_of_each_row_whatever_the_order(
        self, writing: Writing, tmp_path: Path, deletes: str
    ) -> None:
        """Windows that come late, twice or out of order end in the table of those that came in order."""

        @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
        @given(events, st.permutations([0, 1, 2]), replays)
        def holds(happened: list[Event], order: list[int], again: list[int]) -> None:
            target = writing(mode="upsert", key=["id"], deleted_by="gone", deletes=deletes)
            for epoch, window in enumerate([*order, *again], 1):
                load(target, tmp_path, window, happened, epoch)
            assert self.shown(target) == expected(happened, soft=deletes == "soft")

        holds()

    def test_append_delete_adds_and_deletes_but_changes_no_row(
        self, writing: Writing, tmp_path: Path
    ) -> None:
        """The first row of a key stays until it is deleted, and a late window does not bring it back."""
        target = writing(mode="append_delete", key=["id"], deleted_by="gone")
        happened = [Event(0, 1, 0), Event(1, 1, 0), Event(0, 2, 0), Event(2, 2, 0, gone=True)]
        for epoch, window in enumerate([0, 1, 2, 0, 1], 1):
            load(target, tmp_path, window, happened, epoch)
        assert self.shown(target) == [(1, "0.0", False)]

    def test_a_row_that_was_deleted_twice_stays_deleted(self, writing: Writing, tmp_path: Path) -> None:
        """It lived again in between; the window of that life comes once more, late."""
        target = writing(mode="upsert", key=["id"], deleted_by="gone")
        happened = [Event(0, 1, 0, gone=True), Event(1, 1, 0), Event(2, 1, 0, gone=True)]
        for epoch, window in enumerate([0, 1, 2, 1], 1):
            load(target, tmp_path, window, happened, epoch)
        assert self.shown(target) == []

    def test_upsert_only_takes_marks_for_values(self, writing: Writing, tmp_path: Path) -> None:
        """Without `deleted_by` a mark is a column like any other."""
        target = writing(mode="upsert_only", key=["id"])
        for epoch, window in enumerate([1, 0], 1):
            load(target, tmp_path, window, [Event(0, 1, 5), Event(1, 1, 5, gone=True)], epoch)
        assert self.shown(target) == [(1, "1.5", True)]

    def test_a_merge_says_what_it_did(self, writing: Writing, tmp_path: Path) -> None:
        """Inserted, updated and deleted rows are counted, older ones are not; a window cannot be counted."""
        target = writing(mode="upsert", key=["id"], deleted_by="gone")
        first = [Event(0, number, 0) for number in range(5)]
        then = [Event(1, 0, 0, gone=True), Event(1, 1, 0), Event(1, 9, 0)]
        load(target, tmp_path, 0, first, 1)
        loaded = load(target, tmp_path, 1, then, 2)
        assert (loaded.rows, loaded.changes) == (3, {"inserted": 1, "updated": 1, "deleted": 1})
        assert load(target, tmp_path, 0, first, 3).changes == {"inserted": 0, "updated": 3, "deleted": 0}
        assert target.count(WINDOW) is None

    def test_rows_of_another_scope_are_others(self, writing: Writing, tmp_path: Path) -> None:
        """Pipelines that share a table may have rows of the same keys; each deletes and updates its own."""
        how = {"mode": "upsert", "key": ["id"], "deleted_by": "gone"}
        mine = writing(scope={"side": "mine"}, **how)
        theirs = self.same_table(writing, scope={"side": "theirs"}, **how)
        first, gone = [Event(1, 1, 0), Event(1, 2, 0)], [Event(1, 1, 9, gone=True), Event(1, 2, 9)]
        loads = [(mine, "", first), (theirs, "other", first[1:]), (mine, "", gone), (theirs, "other", first)]
        for epoch, (target, name, happened) in enumerate(loads, 1):
            rows = staged(tmp_path, [event.row for event in happened])
            target.load(lock_for(epoch=epoch, mapping_name=name), rows)
        found = self.rows(mine).sort_by([("side", "ascending"), ("id", "ascending")]).to_pylist()
        assert [(row["side"], row["id"], row["value"]) for row in found] == [
            ("mine", 2, "1.9"),
            ("theirs", 1, "1.0"),
            ("theirs", 2, "1.0"),
        ]

    def test_a_merge_refuses_rows_of_another_scope(self, writing: Writing, tmp_path: Path) -> None:
        """Rows that carry another scope than the target's are not its own: nothing is changed."""
        target = writing(mode="upsert", key=["id"], scope={"side": "mine"})
        load(target, tmp_path, 1, [Event(1, 1, 0)], 1)
        foreign = staged(tmp_path, [{**Event(1, 2, 0).row, "side": "theirs"}])
        with pytest.raises(BadData, match="side"):
            target.load(lock_for(epoch=2), foreign)
        assert self.shown(target) == [(1, "1.0", False)]

    def test_a_row_without_a_mark_lives(self, writing: Writing, tmp_path: Path) -> None:
        """NULL deletes nothing."""
        target = writing(mode="upsert", key=["id"], deleted_by="gone")
        for epoch in (1, 2):
            target.load(lock_for(epoch=epoch), staged(tmp_path, [{**Event(1, 1, epoch).row, "gone": None}]))
        assert self.shown(target) == [(1, "1.2", False)]

    def test_rows_of_which_none_is_newer_are_refused(self, writing: Writing, tmp_path: Path) -> None:
        """Two rows of one key and version, or a row without a key: nothing is changed."""
        target = writing(mode="upsert", key=["id"])
        load(target, tmp_path, 1, [Event(1, 1, 0)], 1)
        row = Event(1, 1, 5).row
        for doubtful in ([row, {**row, "value": "other"}], [{**row, "id": None}]):
            with pytest.raises(BadData, match="version_by"):
                target.load(lock_for(epoch=2), staged(tmp_path, doubtful))
        assert self.shown(target) == [(1, "1.0", False)]

    def test_a_merge_is_judged_like_any_load(self, writing: Writing, tmp_path: Path) -> None:
        """Rows of another window, or other rows than the manifest says, and nothing is changed."""
        target = writing(mode="upsert", key=["id"])
        load(target, tmp_path, 1, [Event(1, 1, 0)], 1)
        foreign, short = staged(tmp_path, [Event(2, 1, 0).row]), staged(tmp_path, [Event(1, 1, 9).row], 2)
        with pytest.raises(BadData, match="outside the window"):
            target.load(lock_for(epoch=2), foreign)
        with pytest.raises(StageLost, match="manifest"):
            target.load(lock_for(epoch=2), short)
        assert self.shown(target) == [(1, "1.0", False)]

    def test_a_version_of_its_own_decides(self, writing: Writing, tmp_path: Path) -> None:
        """`version_by` need not be the time."""
        target = writing(mode="upsert", key=["id"], version_by="value")
        rows = [{**Event(1, 1, minute).row, "value": value} for minute, value in ((1, "b"), (2, "a"))]
        target.load(lock_for(), staged(tmp_path, rows))
        assert self.shown(target) == [(1, "b", False)]

    def test_the_time_may_be_the_key(self, writing: Writing, tmp_path: Path) -> None:
        """Of the rows of one time the one with the largest `version_by` stays."""
        target = writing(mode="upsert", key=[TIME_FIELD], version_by="value")
        rows = [{**Event(1, 1, 5).row, "value": value} for value in ("b", "c", "a")]
        for epoch, row in enumerate(rows, 1):
            target.load(lock_for(epoch=epoch), staged(tmp_path, [row, Event(1, 2, 7).row]))
        assert self.shown(target) == [(1, "c", False), (2, "1.7", False)]

    @pytest.mark.parametrize("key", [["nobody"], []])
    def test_a_key_has_to_be_there(self, writing: Writing, tmp_path: Path, key: Sequence[str]) -> None:
        """A key that is not staged, or none at all."""
        with pytest.raises((BadData, Misuse), match=r"write\.key"):
            load(writing(mode="upsert", key=key), tmp_path, 0, [Event(0, 1, 0)], 1)

    def test_a_mark_is_a_boolean_or_a_time(self, writing: Writing, tmp_path: Path) -> None:
        """A text that says when does not say whether."""
        target = writing(mode="upsert", key=["id"], deleted_by="value")
        with pytest.raises(BadData, match="deleted_by"):
            load(target, tmp_path, 0, [Event(0, 1, 0)], 1)

    def test_append_leaves_what_is_there(self, writing: Writing, tmp_path: Path) -> None:
        """Rows of others stay, a repetition of the same staging adds nothing, another one is refused."""
        one, other = Event(1, 1, 0), Event(1, 2, 0)
        target = writing(mode="append")
        put = staged(tmp_path, [one.row])
        assert target.load(lock_for(epoch=1), put).rows == target.load(lock_for(epoch=2), put).rows == 1
        with pytest.raises(BadData, match="would double"):
            target.load(lock_for(epoch=3), staged(tmp_path, [one.row, other.row]))
        with pytest.raises(Misuse, match="append"):
            target.clear(lock_for(epoch=4))
        assert self.shown(target) == [(1, "1.0", False)]
        assert target.count(WINDOW) is None

    def test_a_crash_in_a_merge_leaves_all_of_it_or_nothing(self, writing: Writing, tmp_path: Path) -> None:
        """Killed between two statements, the table is the one before or after; a later load mends it."""
        happened = [Event(0, 1, 0), Event(0, 2, 0), Event(1, 1, 0, gone=True), Event(1, 2, 0)]
        target = writing(mode="upsert", key=["id"], deleted_by="gone")
        load(target, tmp_path, 0, happened, 1)
        before, step = self.shown(target), 0
        put = staged(tmp_path, [event.row for event in happened if event.window == 1])
        while self.crash(target, lock_for(epoch=2 + step), put, step):
            assert self.may_be_left(self.shown(target), before, [(2, "1.0", False)])
            step += 1
        assert step > 5
        load(target, tmp_path, 1, happened, 1000)
        load(target, tmp_path, 0, happened, 1001)
        assert self.shown(target) == [(2, "1.0", False)]

    @pytest.mark.parametrize("contract", ["freeze", "discard"])
    def test_a_contract_makes_no_table(self, writing: Writing, tmp_path: Path, contract: str) -> None:
        """Only `evolve` makes one."""
        with pytest.raises(BadData, match="evolve"):
            load(writing(contract=contract), tmp_path, 1, [Event(1, 1, 0)], 1)

    def test_a_contract_says_what_a_new_column_does(self, writing: Writing, tmp_path: Path) -> None:
        """It is added, refused or left out; the rows that were there stay."""
        load(writing(), tmp_path, 0, [Event(0, 1, 0)], 1)
        fresh = staged(tmp_path, [{**Event(1, 2, 0).row, "fresh": "x"}])
        with pytest.raises(BadData, match="fresh"):
            self.same_table(writing, contract="freeze").load(lock_for(), fresh)
        target = self.same_table(writing, contract="discard")
        assert target.load(lock_for(), fresh).rows == 1
        assert "fresh" not in self.rows(target).column_names
        self.same_table(writing).load(lock_for(epoch=2), fresh)
        assert self.rows(target).sort_by("id")["fresh"].to_pylist() == [None, "x"]

    def may_be_left(self, found: Shown, before: Shown, after: Shown) -> bool:
        """Whether a kill may leave these rows; a system without transactions has to say otherwise."""
        return found in (before, after)

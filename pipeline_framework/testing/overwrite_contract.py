"""What `write.mode: overwrite` promises, as tests to inherit: which rows it takes out, and which never."""

from pathlib import Path

import pytest

from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.testing.meeting import Event, load, staged
from pipeline_framework.testing.truth import AFTER, WINDOW, lock_for
from pipeline_framework.testing.writing import Writing, WritingTargets


class OverwriteContract(WritingTargets):
    """A part of `WriteContract`."""

    def test_overwrite_is_for_one_window(self, writing: Writing, tmp_path: Path) -> None:
        """It takes the place of every row; a second window is refused."""
        target = writing(mode="overwrite")
        load(target, tmp_path, 1, [Event(1, 1, 0), Event(1, 2, 0)], 1)
        load(target, tmp_path, 1, [Event(1, 3, 0)], 2)
        with pytest.raises(Misuse, match="one window"):
            load(target, tmp_path, 2, [Event(2, 4, 0)], 3)
        assert self.shown(target) == [(3, "1.0", False)]
        assert load(target, tmp_path, 1, [Event(1, 3, 0)], 4).rows == 1

    def test_overwrite_takes_no_rows_of_another_pipeline(self, writing: Writing, tmp_path: Path) -> None:
        """Whoever else loads the table, at whatever time, is named, by `check` too; nothing is changed."""
        theirs, put = writing(), staged(tmp_path, [Event(2, 1, 0).row])
        theirs.load(lock_for(AFTER, mapping_name="other"), put)
        target = self.same_table(writing, mode="overwrite")
        with pytest.raises(Misuse, match=r"contract other.*`replace_window`"):
            load(target, tmp_path, 1, [Event(1, 3, 0)], 1)
        assert self.shown(target) == [(1, "2.0", False)]
        put = staged(tmp_path, [Event(1, 2, 0).row])
        assert theirs.load(lock_for(mapping_name="other"), put).rows == 1  # who was refused keeps no time
        with pytest.raises(Misuse, match="contract other"):
            target.check()

    def test_overwrite_counts_a_window_that_another_pipeline_asked_for(
        self, writing: Writing, tmp_path: Path
    ) -> None:
        """Its load failed, or is under way: what it may have written is not there to be overwritten."""
        with pytest.raises(BadData, match="outside the window"):
            writing().load(lock_for(AFTER, mapping_name="other"), staged(tmp_path, [Event(1, 1, 0).row]))
        with pytest.raises(Misuse, match="contract other"):
            load(self.same_table(writing, mode="overwrite"), tmp_path, 1, [Event(1, 3, 0)], 1)

    def test_overwrite_stays_within_its_scope(self, writing: Writing, tmp_path: Path) -> None:
        """Pipelines whose scopes are apart keep their rows, in as many windows as they like."""
        mine = writing(mode="overwrite", scope={"side": "mine"})
        theirs = self.same_table(writing, scope={"side": "theirs"})
        for epoch in (1, 2):
            load(mine, tmp_path, 1, [Event(1, epoch, 0)], epoch)
            for window in (WINDOW, AFTER):
                number = 1 + (window == AFTER)
                rows = staged(tmp_path, [Event(number, 10 * number, 0).row])
                theirs.load(lock_for(window, epoch=epoch, mapping_name="other"), rows)
        assert self.shown(mine) == [(2, "1.0", False), (10, "1.0", False), (20, "2.0", False)]
        assert "\n" not in mine.check()

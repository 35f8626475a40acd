"""What every stage promises, as tests to inherit."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from pipeline_framework.errors import Fenced, StageLost
from pipeline_framework.interfaces import Lock, Manifest, Reading, Stage, Tally
from pipeline_framework.testing.given import to_be_given
from pipeline_framework.testing.truth import AFTER, WINDOW, lock_for, marked, rows_of, truth


class StageContract:
    """Inherit it, give the fixture `stage`, an empty one, and the methods `lose` and `text`.

    `lose(stage, manifest, name)` removes one file of what was staged: the manifest itself for the
    name "manifest", else the data file of that name. `text(stage, manifest, name)` is what a file holds.
    """

    @pytest.fixture
    def stage(self) -> Stage:
        """To be given by the connector's own test."""
        to_be_given(self, "stage")

    def lose(self, stage: Stage, manifest: Manifest, name: str) -> None:
        """To be given by the connector's own test."""
        to_be_given(self, "lose")

    def text(self, stage: Stage, manifest: Manifest, name: str) -> bytes:
        """To be given by the connector's own test."""
        to_be_given(self, "text")

    def test_check_says_one_sentence_and_leaves_nothing(self, stage: Stage) -> None:
        """`check` proves the right to write, and a window can still be staged afterwards."""
        assert "\n" not in stage.check()
        assert stage.write(lock_for(), reading(truth())).rows == 60

    def test_every_row_comes_back_unchanged(self, stage: Stage) -> None:
        """Difficult values come out as they went in, as often as one asks."""
        staged = stage.staged(write(stage, truth()))
        assert staged.schema.equals(truth().schema)
        for _ in range(2):
            assert rows_of(staged.batches().read_all()) == rows_of(truth())

    def test_the_manifest_tells_what_happened(self, stage: Stage) -> None:
        """Rows, bad and filtered rows, the count at the source, sizes and the epoch."""
        manifest = stage.write(lock_for(epoch=7), reading(truth(), Tally(bad=2, filtered=3), count=65))
        assert (manifest.rows, manifest.bad_rows, manifest.filtered_rows) == (60, 2, 3)
        assert (manifest.source_count, manifest.epoch) == (65, 7)
        assert manifest.size == sum(file.size for file in manifest.files)
        assert manifest.rows == sum(file.rows for file in manifest.files)
        assert manifest == stage.staged(marked(lock_for(epoch=7), manifest)).manifest

    def test_rows_put_aside_lie_beside_the_others(self, stage: Stage) -> None:
        """With reason, place and document, in files that the manifest names and no reader takes for rows."""
        tally = Tally(60)
        for number, document in enumerate((b'{"n": 1e400}', "é\n".encode(), b"\xff\x00")):
            tally.put_aside(document, f"reason {number}", f"line {number}")
        manifest = stage.write(lock_for(), reading(truth(), tally, count=63))
        (file,) = manifest.bad_files
        found = [json.loads(line) for line in self.text(stage, manifest, file.name).splitlines()]
        assert [(each["reason"], each["place"]) for each in found] == [
            (f"reason {number}", f"line {number}") for number in range(3)
        ]
        assert [each.get("document") for each in found] == ['{"n": 1e400}', "é\n", None]
        assert (file.rows, manifest.bad_rows, found[2]["document_base64"]) == (3, 3, "/wA=")
        assert manifest.bad_place == f"{manifest.address.rpartition('/')[0]}/{file.name}"
        staged = stage.staged(marked(lock_for(), manifest))
        assert (staged.manifest, staged.batches().read_all().num_rows) == (manifest, 60)
        assert not any(path.endswith(file.name) for path in staged.paths)

    def test_zero_rows_are_staged_with_their_columns(self, stage: Stage) -> None:
        """An empty window has a manifest and a schema."""
        staged = stage.staged(write(stage, truth().slice(0, 0)))
        assert (staged.manifest.rows, staged.batches().read_all().num_rows) == (0, 0)
        assert staged.schema.equals(truth().schema)

    def test_what_fails_halfway_is_not_staged(self, stage: Stage) -> None:
        """A reading that breaks off leaves nothing to believe, and the same epoch may try again."""

        def breaking() -> Iterator[pa.RecordBatch]:
            yield from truth().to_batches()
            raise ConnectionResetError

        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the source raised
            stage.write(lock_for(), Reading(truth().schema, breaking(), 120))
        assert stage.staged(write(stage, truth())).manifest.rows == 60

    def test_an_epoch_is_staged_once(self, stage: Stage) -> None:
        """Another owner's manifest of the epoch is refused, and the first one's rows stand."""
        lock = write(stage, truth())
        with pytest.raises(Fenced):
            stage.write(lock_for(owner="run 2"), reading(truth().slice(0, 5)))
        assert rows_of(stage.staged(lock).batches().read_all()) == rows_of(truth())

    def test_what_an_owner_staged_is_answered_when_it_asks_again(self, stage: Stage) -> None:
        """Whoever did not hear that the manifest was written hears it then, with all that it tells."""
        tally = Tally(bad=2, filtered=3)
        manifest = stage.write(lock_for(), reading(truth(), tally, count=65))
        assert stage.write(lock_for(), reading(truth().slice(0, 5))) == manifest
        assert stage.staged(marked(lock_for(), manifest)).batches().read_all().num_rows == 60

    def test_many_writers_of_an_epoch_leave_one_manifest(self, stage: Stage) -> None:
        """Of writers at the same time one wins; its rows are whole and the others are fenced."""

        def attempt(rows: int) -> Lock | None:
            try:
                lock = lock_for(owner=f"run {rows}")
                return marked(lock, stage.write(lock, reading(truth().slice(0, rows))))
            except Fenced:
                return None

        with ThreadPoolExecutor(6) as pool:
            won = [lock for lock in pool.map(attempt, range(10, 22)) if lock]
        assert len(won) == 1
        staged = stage.staged(won[0])
        assert rows_of(staged.batches().read_all()) == rows_of(truth().slice(0, staged.manifest.rows))

    def test_an_older_epoch_comes_too_late(self, stage: Stage) -> None:
        """Who was overtaken may not stage, and says so without touching what is there."""
        lock = write(stage, truth(), epoch=8)
        with pytest.raises(Fenced, match="8"):
            stage.write(lock_for(epoch=7), reading(truth()))
        assert stage.staged(lock).manifest.rows == 60

    @pytest.mark.parametrize("kind", ["manifest", "data"])
    def test_lost_files_are_noticed(self, stage: Stage, kind: str) -> None:
        """Neither a missing manifest nor a missing file is read over."""
        lock = write(stage, truth())
        manifest = stage.staged(lock).manifest
        self.lose(stage, manifest, manifest.files[0].name if kind == "data" else kind)
        with pytest.raises(StageLost):
            stage.staged(lock)

    def test_another_manifest_than_the_marked_one_is_not_believed(self, stage: Stage) -> None:
        """The digest decides, not the place."""
        lock = write(stage, truth())
        other = Lock(1, "contract", "", WINDOW, 1, "run 1", {**lock.columns, "manifest_digest": "0" * 64})
        with pytest.raises(StageLost):
            stage.staged(other)

    def test_nothing_marked_is_nothing_staged(self, stage: Stage) -> None:
        """A window without a marker has no stage, whatever lies there."""
        write(stage, truth())
        with pytest.raises(StageLost):
            stage.staged(lock_for())

    def test_clearing_keeps_the_marked_and_the_present_epoch(self, stage: Stage) -> None:
        """Older leftovers go; the marked epoch, the present one and other windows stay."""
        old, kept = write(stage, truth(), epoch=1), write(stage, truth(), epoch=2)
        present, other = write(stage, truth(), epoch=3), write(stage, truth(AFTER), window_of=AFTER)
        stage.clear(Lock(1, "contract", "", WINDOW, 3, "run 1", kept.columns))
        with pytest.raises(StageLost):
            stage.staged(old)
        assert [stage.staged(lock).manifest.rows for lock in (kept, present, other)] == [60, 60, 60]

    def test_clearing_what_is_not_there_is_no_error(self, stage: Stage) -> None:
        """A window that was never staged may be cleared, twice."""
        stage.clear(lock_for())
        stage.clear(lock_for(epoch=2))

    def test_windows_and_mappings_lie_apart(self, stage: Stage) -> None:
        """Names that are alike, or difficult, never share a place."""
        names = ("", "a", "A b", "a/b", "a*[0]", "ä=%2F", "..")
        locks = {name: lock_for(mapping_name=name) for name in names}
        held = {
            name: marked(lock, stage.write(lock, reading(truth(rows=5 + place))))
            for place, (name, lock) in enumerate(locks.items())
        }
        assert [stage.staged(held[name]).manifest.rows for name in names] == [5, 6, 7, 8, 9, 10, 11]


def reading(table: pa.Table, tally: Tally | None = None, count: int | None = None) -> Reading:
    """A reading of a table, in small batches."""
    batches = iter(table.to_batches(max_chunksize=7))
    return Reading(
        table.schema, batches, table.num_rows if count is None else count, tally or Tally(table.num_rows)
    )


def write(stage: Stage, table: pa.Table, *, epoch: int = 1, window_of: object = WINDOW) -> Lock:
    """Stage a table; the lock as it is once the marker is set."""
    lock = lock_for(AFTER if window_of is AFTER else WINDOW, epoch)
    return marked(lock, stage.write(lock, reading(table)))

"""The local stage keeps the contract, and says what is wrong with its disk."""

import json
import os
import resource
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from implementations.object_store import objects
from implementations.object_store.local import LocalStage
from pipeline_framework.errors import BadData, Fenced, Misuse, StageElsewhere, StageLost, Unavailable
from pipeline_framework.interfaces import Lock, Manifest, Reading, Tally
from pipeline_framework.testing.stage_contract import StageContract, reading
from pipeline_framework.testing.staged import processes
from pipeline_framework.testing.truth import TICK, WINDOW, lock_for, marked, truth
from pipeline_framework.windows import Window


class TestLocalStage(StageContract):
    """In a folder of its own."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> LocalStage:
        return LocalStage(str(tmp_path / "stage [1] ä"))

    def lose(self, stage: LocalStage, manifest: Manifest, name: str) -> None:  # type: ignore[override]
        found = Path(stage.path).rglob("manifest.json" if name == "manifest" else name)
        next(found).unlink()

    def text(self, stage: LocalStage, manifest: Manifest, name: str) -> bytes:  # type: ignore[override]
        return next(Path(stage.path).rglob(name)).read_bytes()


@pytest.fixture
def stage(tmp_path: Path) -> LocalStage:
    return LocalStage(str(tmp_path / "stage"))


def moved_to(host: str, lock: Lock, path: str | None = None) -> Lock:
    """The lock as if its window had been staged on another host."""
    address = urlsplit(str(lock.columns["manifest_address"]))
    elsewhere = urlunsplit(address._replace(netloc=host, path=path or address.path))
    return replace(lock, columns={**lock.columns, "manifest_address": elsewhere})


def test_the_second_manifest_of_an_epoch_is_refused(stage: LocalStage) -> None:
    """Also where both writers looked before either had written: whoever comes second is fenced."""
    first = list[Manifest]()

    def overtaken() -> Iterator[pa.RecordBatch]:
        first.append(stage.write(lock_for(), reading(truth())))
        yield from truth(rows=3).to_batches()

    with pytest.raises(Fenced):
        stage.write(lock_for(owner="run 2"), Reading(truth().schema, overtaken(), 3))
    assert stage.staged(marked(lock_for(), first[0])).manifest.rows == 60


def test_nothing_is_read_for_a_manifest_that_is_there(stage: LocalStage) -> None:
    """Whoever asks again for what it staged has it at once, and leaves no second copy of the rows."""
    again = reading(truth())
    assert stage.write(lock_for(), reading(truth())) == stage.write(lock_for(), again)
    assert next(again.batches).num_rows == 7
    assert [path.name for path in Path(stage.path).rglob("*.parquet")] == ["part-00000.parquet"]


def test_paths_carry_pipeline_window_and_epoch(stage: LocalStage) -> None:
    """A person finds the window's files by name, and nothing else is written."""
    lock = replace(lock_for(epoch=1234, mapping_name="m"), pipeline_id="a/b")
    manifest = stage.write(lock, reading(truth()))
    folder = "pipeline=a=2Fb/mapping=m/window=20131103T050000Z_20131103T070000Z/epoch=1234"
    found = [path.relative_to(stage.path) for path in Path(stage.path).rglob("*") if path.is_file()]
    assert sorted(map(str, found)) == [f"{folder}/manifest.json", f"{folder}/part-00000.parquet"]
    assert manifest.address == f"file://{socket.gethostname()}{stage.path}/{folder}/manifest.json"
    assert stage.staged(marked(lock, manifest)).paths == [f"{stage.path}/{folder}/part-00000.parquet"]


def test_windows_of_less_than_a_second_lie_apart(stage: LocalStage) -> None:
    """Microseconds are part of the name where there are any."""
    windows = [Window(WINDOW.start, WINDOW.start + TICK * step) for step in (1, 2)]
    held = [marked(lock_for(window), stage.write(lock_for(window), reading(truth()))) for window in windows]
    assert len({stage.staged(lock).paths[0] for lock in held}) == 2


def test_large_windows_become_several_files_of_one_schema(tmp_path: Path) -> None:
    """Each is a whole Parquet file, and together they are all rows."""
    stage, table = LocalStage(str(tmp_path), part_bytes=10_000), truth(rows=400_000)
    lock = marked(lock_for(), stage.write(lock_for(), reading(table)))
    staged = stage.staged(lock)
    assert len(staged.manifest.files) > 2
    assert [file.rows for file in staged.manifest.files] == [
        pq.read_metadata(path).num_rows for path in staged.paths
    ]
    assert staged.batches().read_all().num_rows == 400_000


def test_many_rows_put_aside_become_several_files(tmp_path: Path) -> None:
    """Of the size of the others, as they are held in memory too; none is lost on the way."""
    stage, tally = LocalStage(str(tmp_path), part_bytes=10_000), Tally(0)
    for number in range(500):
        tally.put_aside(b"x" * 100, f"reason {number}")
    manifest = stage.write(lock_for(), reading(truth().slice(0, 0), tally, count=500))
    assert len(manifest.bad_files) > 5
    assert all(file.size < 11_000 for file in manifest.bad_files)
    (folder,) = {path.parent for path in tmp_path.rglob("bad-*.jsonl")}
    files = [(folder / file.name).read_text().splitlines() for file in manifest.bad_files]
    assert [file.rows for file in manifest.bad_files] == list(map(len, files))
    reasons = [json.loads(line)["reason"] for lines in files for line in lines]
    assert reasons == [f"reason {number}" for number in range(500)]


def test_a_dictionary_only_where_values_repeat(stage: LocalStage) -> None:
    """Few values are worth one, many cost time and room."""
    table = pa.table({"few": [n % 5 for n in range(5000)], "many": [str(n) for n in range(5000)]})
    lock = marked(lock_for(), stage.write(lock_for(), reading(table)))
    group = pq.read_metadata(stage.staged(lock).paths[0]).row_group(0)
    assert [group.column(place).has_dictionary_page for place in (0, 1)] == [True, False]
    assert group.column(0).compression == "ZSTD"


def test_a_stage_on_another_host_names_both_and_the_remedy(stage: LocalStage) -> None:
    """Nobody has lost anything, but it cannot be read from here."""
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    with pytest.raises(StageElsewhere) as raised:
        stage.staged(moved_to("worker-7", lock, "/data/elsewhere/manifest.json"))
    assert all(word in str(raised.value) for word in ("worker-7", socket.gethostname(), "stage.shared"))


def test_a_folder_that_hosts_share_is_read_from_any(stage: LocalStage) -> None:
    """What is here is read, whoever wrote it; what is gone from a shared folder is lost."""
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    assert stage.staged(moved_to("worker-7", lock)).manifest.rows == 60
    shared = replace(stage, shared=True)
    with pytest.raises(StageLost):
        shared.staged(moved_to("worker-7", lock, "/data/elsewhere/manifest.json"))


@pytest.mark.parametrize("change", [b"", b"longer than it was"])
def test_a_staged_file_of_another_size_is_lost(stage: LocalStage, change: bytes) -> None:
    """A copy that broke off is noticed before a row of it is loaded."""
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    path = Path(stage.staged(lock).paths[0])
    path.write_bytes(path.read_bytes() + change if change else b"")
    with pytest.raises(StageLost, match="bytes instead of"):
        stage.staged(lock)


def test_a_spoilt_staged_file_is_lost(stage: LocalStage) -> None:
    """Of the right size, but not Parquet any more."""
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    staged = stage.staged(lock)
    path = Path(staged.paths[0])
    path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(StageLost, match="cannot be read"):
        stage.staged(lock)
    with pytest.raises(StageLost, match="cannot be read"):
        staged.batches().read_all()


def test_a_marker_of_another_epoch_is_not_believed(stage: LocalStage) -> None:
    """Address and digest may be right, and the row in the control table still means another one."""
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    with pytest.raises(StageLost, match="not the marked one"):
        stage.staged(replace(lock, columns={**lock.columns, "stage_epoch": 2}))


def test_what_a_crashed_try_left_is_neither_read_nor_overwritten(stage: LocalStage) -> None:
    """The manifest names its own files, at the next free numbers."""
    lock = lock_for()
    stage.write(lock, reading(truth(rows=10)))
    folder = next(Path(stage.path).rglob("manifest.json")).parent
    left = (folder / "part-00000.parquet").read_bytes()
    (folder / "manifest.json").unlink()
    staged = stage.staged(marked(lock, stage.write(lock, reading(truth()))))
    assert staged.manifest.files[0].name == "part-00001.parquet"
    assert staged.batches().read_all().num_rows == 60
    assert (folder / "part-00000.parquet").read_bytes() == left


def test_a_process_killed_while_it_stages_leaves_nothing_to_believe(stage: LocalStage) -> None:
    """Killed after its last file and before its manifest; the next epoch stages in full."""
    process = processes().Process(target=die_before_the_manifest, args=(stage,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [path.name for path in Path(stage.path).rglob("*.*") if path.is_file()] == ["part-00000.parquet"]
    lock = marked(lock_for(epoch=2), stage.write(lock_for(epoch=2), reading(truth())))
    stage.clear(replace(lock, epoch=3))
    assert stage.staged(lock).manifest.rows == 60
    assert len([path for path in Path(stage.path).rglob("*.*") if path.is_file()]) == 2


def test_clearing_takes_away_what_a_killed_process_was_writing(stage: LocalStage) -> None:
    """Unfinished files of an old epoch would fill the disk for ever."""
    manifest = stage.write(lock_for(), reading(truth()))
    folder = next(Path(stage.path).rglob("manifest.json")).parent
    (folder / f"{manifest.files[0].name}#1").write_bytes(b"unfinished")
    stage.clear(lock_for(epoch=2))
    assert not [path for path in Path(stage.path).rglob("*") if path.is_file()]


def die_before_the_manifest(stage: LocalStage) -> None:
    """Stage, and be killed where the manifest would be written."""
    with patch.object(objects, "text_of", lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
        stage.write(lock_for(), reading(truth()))


def test_no_permission_in_the_stage_folder(others_folder: Path, unprivileged: None) -> None:
    """Check and write say so in one sentence."""
    stage = LocalStage(str(others_folder / "stage"))
    for ask in (stage.check, lambda: stage.write(lock_for(), reading(truth()))):
        with pytest.raises(Misuse, match=r"stage\.path"):
            ask()


def test_a_file_where_the_stage_folder_should_be(tmp_path: Path) -> None:
    """A slip in the path."""
    (tmp_path / "stage").touch()
    with pytest.raises(Misuse, match=r"stage\.path"):
        LocalStage(str(tmp_path / "stage")).check()


def test_a_full_disk_is_worth_another_try(stage: LocalStage) -> None:
    """Nothing is half staged when the disk has no room for it."""
    process = processes().Process(target=stage_without_room, args=(stage,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not [path for path in Path(stage.path).rglob("*") if path.is_file()]


def stage_without_room(stage: LocalStage) -> None:
    """Stage where no file may be larger than 4 KiB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    with pytest.raises(Unavailable, match="full"):
        stage.write(lock_for(), reading(truth(rows=5000)))


def test_a_type_that_parquet_cannot_hold_is_told(stage: LocalStage) -> None:
    """In one sentence, with the column."""
    with pytest.raises(BadData, match="nothing"):
        stage.write(lock_for(), reading(pa.table({"nothing": pa.array([{}], pa.struct([]))})))


def test_two_who_clear_at_once_do_not_disturb_each_other(
    stage: LocalStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes under one's hands is gone, as was wanted; the rest goes all the same."""
    for epoch in (1, 2, 3):
        stage.write(lock_for(epoch=epoch), reading(truth()))
    real = objects.outdated

    def outdated(epoch: int | None, lock: Lock) -> bool:
        for folder in Path(stage.path).rglob("epoch=2"):
            shutil.rmtree(folder)
        return real(epoch, lock)

    monkeypatch.setattr(objects, "outdated", outdated)
    stage.clear(lock_for(epoch=4))
    assert list(Path(stage.path).rglob("epoch=*")) == []


def test_checks_at_the_same_time_do_not_disturb_each_other(stage: LocalStage) -> None:
    """Each tries out a file of its own."""
    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(lambda _: stage.check(), range(200)))
    assert len(told) == 1

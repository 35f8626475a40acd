"""How a window rests in any object store: files created, never overwritten, the manifest last."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from implementations.staging.manifest_file import NAME, manifest_of, text_of, told
from implementations.staging.parquet import parts
from implementations.staging.paths import epoch_folder, epoch_of, window_folder
from pipeline_framework.errors import Fenced, StageLost
from pipeline_framework.interfaces import Lock, Manifest, Reading, StagedFile

if TYPE_CHECKING:
    from obstore.store import ObjectStore

Opener = Callable[[], pq.ParquetFile]


def tried(store: "ObjectStore") -> None:
    """Write and remove a small file under a name of its own, as others may do the same at this moment."""
    import obstore

    name = f".check-{token_hex(8)}"
    obstore.put(store, name, b"")
    obstore.delete(store, name)


def write(
    store: "ObjectStore", where: str, lock: Lock, reading: Reading, *, part_bytes: int, host: str = ""
) -> tuple[Manifest, bytes]:
    """Stage a reading under the lock's epoch; its manifest, without an address yet, and the manifest's text.

    What the lock's owner staged under this epoch already is answered as it is, and nothing read: the reply
    was lost. Raises `Fenced` when the window was staged under a newer epoch, or under this one by another
    owner.
    """
    folder = epoch_folder(lock)
    fence(store, where, lock)
    with suppress(FileNotFoundError):
        return own(store, where, lock)
    written = ((part.data.pieces, part.rows) for part in parts(reading.batches, reading.schema, part_bytes))
    files = list(_stored(store, f"{folder}/part-{{:05}}.parquet", written))
    letters = (([text], rows) for text, rows in reading.tally.letters.files(part_bytes))
    bad_files = list(_stored(store, f"{folder}/bad-{{:05}}.jsonl", letters))
    manifest = manifest_of(lock, reading, files, bad_files, host)
    text = text_of(manifest, lock)
    fence(store, where, lock)
    if _created(store, f"{folder}/{NAME}", [text]):
        return manifest, text
    return own(store, where, lock)


def fence(store: "ObjectStore", where: str, lock: Lock) -> None:
    """Refuse an epoch that was overtaken."""
    newest = max(epochs(store, lock), default=0)
    if newest > lock.epoch:
        raise _fenced(where, lock, newest)


def own(store: "ObjectStore", where: str, lock: Lock) -> tuple[Manifest, bytes]:
    """The manifest of the lock's epoch and its text; `Fenced` where another owner wrote it.

    Written last, it is whole. `FileNotFoundError` where there is none.
    """
    import obstore

    text = obstore.get(store, f"{epoch_folder(lock)}/{NAME}").bytes().to_bytes()
    owner, manifest = told(text)
    if owner != lock.owner:
        raise _fenced(where, lock, lock.epoch)
    return manifest, text


def epochs(store: "ObjectStore", lock: Lock) -> list[int]:
    """The epochs that left something of the lock's window."""
    import obstore

    folders = obstore.list_with_delimiter(store, window_folder(lock))["common_prefixes"]
    return [epoch for epoch in map(epoch_of, folders) if epoch is not None]


def outdated(epoch: int | None, lock: Lock) -> bool:
    """Whether what an epoch left may go: it is older than the lock's, and not the marked one."""
    return epoch is not None and epoch < lock.epoch and epoch != lock.columns.get("stage_epoch")


def lost(place: str, found: str) -> StageLost:
    """The error for a staged file that is not as its manifest says."""
    return StageLost(f"The staged file {place} {found}; the window is staged again.")


def schema_of(place: str, opener: Opener) -> pa.Schema:
    """The schema of a staged file."""
    with read_back(place), opener() as file:
        return file.schema_arrow


def reader(places: Sequence[str], openers: Sequence[Opener], schema: pa.Schema) -> pa.RecordBatchReader:
    """The rows of staged files, one file after the other."""
    return pa.RecordBatchReader.from_batches(schema, _batches(places, openers))


@contextmanager
def read_back(place: str) -> Iterator[None]:
    """`StageLost` for a file that is gone or is no Parquet any more."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as raised:
        why = str(raised).partition("\n")[0]
        raise lost(place, f"cannot be read ({why})") from raised


def _batches(places: Sequence[str], openers: Sequence[Opener]) -> Iterator[pa.RecordBatch]:
    for place, opener in zip(places, openers, strict=True):
        with read_back(place), opener() as file:
            yield from file.iter_batches(use_threads=False)


def _fenced(where: str, lock: Lock, newest: int) -> Fenced:
    return Fenced(
        f"Window {lock.window} is staged in {where} under epoch {newest} already; epoch {lock.epoch} "
        f"of {lock.owner} changed nothing and stops."
    )


def _stored(
    store: "ObjectStore", pattern: str, written: Iterable[tuple[list[bytes], int]]
) -> Iterator[StagedFile]:
    # Created, never overwritten, at the next free number: another writer's files stay what they are.
    paths = (pattern.format(number) for number in count())
    for pieces, rows in written:
        path = next(path for path in paths if _created(store, path, pieces))
        yield StagedFile(path.rpartition("/")[2], rows, sum(map(len, pieces)))


def _created(store: "ObjectStore", path: str, pieces: list[bytes]) -> bool:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    try:
        obstore.put(store, path, pieces, mode="create", use_multipart=False)
    except AlreadyExistsError:
        return False
    return True

"""Stages on object stores, through obstore; so far the one on a local disk."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from implementations.staging.manifest_file import NAME, addressed, believed, manifest_of, text_of
from implementations.staging.parquet import Part, parts
from implementations.staging.paths import epoch_folder, epoch_of, window_folder
from pipeline_framework.errors import Fenced, Misuse, PipelineError, StageElsewhere, StageLost, Unavailable
from pipeline_framework.interfaces import Lock, Manifest, Reading, Staged, StagedFile, StatePath

if TYPE_CHECKING:
    from obstore.store import LocalStore


@dataclass(frozen=True)
class LocalStage:
    """Parquet in a folder of this host (`type: local`).

    `path`: the folder, made when it is missing. `shared`: true when every host mounts it, so that
    an absent file is lost, not elsewhere. `part_bytes`: size of a file in bytes, held in memory
    while it is written.
    """

    path: StatePath
    shared: bool = False
    part_bytes: int = 32 * 1024**2

    def check(self) -> str:
        """Writes and removes a small file; raises `Misuse` or `Unavailable`."""
        import obstore

        with _plainly(self.path):
            obstore.put(self._store(), ".check", b"check")
            obstore.delete(self._store(), ".check")
        return f"stage in {self.path} on {socket.gethostname()}: can write and remove"

    def write(self, lock: Lock, reading: Reading) -> Manifest:
        """Parts first, the manifest last and only if absent; `Fenced` when this or a later epoch has staged."""
        with _plainly(self.path):
            store, folder = self._store(), epoch_folder(lock)
            self._fence(store, lock)
            files = [_stored(store, folder, part) for part in parts(reading.batches, reading.schema, self.part_bytes)]
            self._fence(store, lock)
            manifest = manifest_of(lock, reading, files, socket.gethostname())
            text = text_of(manifest, lock)
            if not _created(store, f"{folder}/{NAME}", [text]):
                raise Fenced(f"Epoch {lock.epoch} of {lock.window} is staged already in {self.path}; nothing was changed.")
            return addressed(manifest, text, _address(Path(self.path) / folder / NAME))

    def staged(self, lock: Lock) -> Staged:
        """What the marker names, after its digest, epoch, files and sizes were verified."""
        host, path = _located(str(lock.columns["manifest_address"]))
        if not path.exists():
            raise self._missing(host, path)
        with _plainly(str(path.parent)):
            manifest = believed(path.read_bytes(), str(lock.columns["manifest_address"]), str(lock.columns["manifest_digest"]))
            for file in manifest.files:
                _verify(path.parent / file.name, file)
            paths = [str(path.parent / file.name) for file in manifest.files]
            schema = pq.read_schema(paths[0])
        return Staged(manifest, schema, paths, partial(_reader, paths, schema))

    def clear(self, lock: Lock) -> None:
        """Remove every epoch below `lock.epoch` but the marked one."""
        import obstore

        with _plainly(self.path):
            store, keep = self._store(), lock.columns.get("stage_epoch")
            for folder in _epochs(store, lock):
                epoch = epoch_of(folder)
                if epoch is not None and epoch < lock.epoch and epoch != keep:
                    obstore.delete(store, [found["path"] for page in obstore.list(store, folder) for found in page])

    def _store(self) -> "LocalStore":
        from obstore.store import LocalStore

        return LocalStore(Path(self.path).absolute(), mkdir=True, automatic_cleanup=True)

    def _fence(self, store: "LocalStore", lock: Lock) -> None:
        later = max((epoch_of(folder) or 0 for folder in _epochs(store, lock)), default=0)
        if later > lock.epoch:
            raise Fenced(f"Epoch {lock.epoch} of {lock.window} may not be staged: epoch {later} is in {self.path} already.")

    def _missing(self, host: str, path: Path) -> PipelineError:
        here = socket.gethostname()
        if host == here or self.shared:
            return StageLost(f"The staged manifest {path} is gone; the window is staged again.")
        return StageElsewhere(
            f"The window is staged on host {host} in {path.parent}, which does not exist on this host, {here}. Use object storage, "
            "or a folder that all hosts mount with `shared: true` on the stage, or `dag_shape: single`; or reopen the window."
        )


def _stored(store: "LocalStore", folder: str, part: Part) -> StagedFile:
    # Created, never overwritten, at the first free number: what a crashed try left is not in our manifest.
    number = 0
    while not _created(store, f"{folder}/part-{number:05}.parquet", part.data.pieces):
        number += 1
    return StagedFile(f"part-{number:05}.parquet", part.rows, part.data.size)


def _created(store: "LocalStore", path: str, pieces: list[bytes]) -> bool:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    try:
        obstore.put(store, path, pieces, mode="create", use_multipart=False)
    except AlreadyExistsError:
        return False
    return True


def _epochs(store: "LocalStore", lock: Lock) -> list[str]:
    import obstore

    return list(obstore.list_with_delimiter(store, window_folder(lock) + "/")["common_prefixes"])


def _verify(path: Path, file: StagedFile) -> None:
    if not path.exists():
        raise StageLost(f"The staged file {path} is gone; the window is staged again.")
    if path.stat().st_size != file.size:
        raise StageLost(f"The staged file {path} has {path.stat().st_size} bytes instead of {file.size}; the window is staged again.")


def _reader(paths: list[str], schema: pa.Schema) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, _batches(paths))


def _batches(paths: list[str]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1024**2) as file:
            yield from file.iter_batches()


def _address(path: Path) -> str:
    return f"file://{socket.gethostname()}{quote(str(path.absolute()), safe='/=')}"


def _located(address: str) -> tuple[str, Path]:
    parted = urlsplit(address)
    return parted.netloc, Path(unquote(parted.path))


@contextmanager
def _plainly(path: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as raised:
        raise _told(str(raised).partition("\n")[0], path) from raised


def _told(text: str, path: str) -> PipelineError:
    if "ermission denied" in text or "Read-only file system" in text:
        return Misuse(f"No permission to write in the stage folder {path}: give this user the right, or change `stage.path`.")
    if "No space left" in text or "File too large" in text:
        return Unavailable(f"The disk of the stage folder {path} is full: free some space; the window is tried again.")
    return Unavailable(f"The stage folder {path} does not work: {text}")

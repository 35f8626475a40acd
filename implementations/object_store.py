"""Stages on object stores, through obstore; so far the one on a local disk."""

import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import PositiveInt

from implementations.staging.manifest_file import NAME, addressed, believed, manifest_of, text_of
from implementations.staging.parquet import Part, parts
from implementations.staging.paths import epoch_folder, epoch_of, window_folder
from pipeline_framework.errors import Fenced, Misuse, PipelineError, StageElsewhere, StageLost, Unavailable
from pipeline_framework.interfaces import Lock, Manifest, Reading, Staged, StagedFile, StatePath

if TYPE_CHECKING:
    from obstore.store import LocalStore

BUFFER = 1024**2  # bytes of a column read at once


@dataclass(frozen=True)
class LocalStage:
    """Parquet in a folder of this host (`type: local`).

    `path`: the folder, made when it is missing. `shared`: true when every host mounts it, so that
    what is absent is lost and not on another host. `part_bytes`: bytes of a file, which are held in
    memory while it is written.
    """

    path: StatePath
    shared: bool = False
    part_bytes: PositiveInt = 16 * 1024**2

    def check(self) -> str:
        import obstore

        with _plainly(self.path):
            store = self._store()
            obstore.put(store, ".check", b"")
            obstore.delete(store, ".check")
        return f"{self.path}: can write and remove on host {socket.gethostname()}"

    def write(self, lock: Lock, reading: Reading) -> Manifest:
        with _plainly(self.path):
            store, folder = self._store(), epoch_folder(lock)
            self._fence(store, lock)
            written = parts(reading.batches, reading.schema, self.part_bytes)
            files = list(_stored(store, folder, written))
            manifest = manifest_of(lock, reading, files, socket.gethostname())
            text = text_of(manifest, lock)
            self._fence(store, lock)
            if not _created(store, f"{folder}/{NAME}", [text]):
                raise self._fenced(lock, lock.epoch)
        return addressed(manifest, text, _address(Path(self.path).absolute() / folder / NAME))

    def staged(self, lock: Lock) -> Staged:
        host, path = _located(str(lock.columns.get("manifest_address") or ""))
        with _plainly(self.path):
            if not path.is_file():
                raise self._absent(host, path)
            manifest = believed(path.read_bytes(), lock)
        paths = [_verified(path.parent, file) for file in manifest.files]
        with _read_back(paths[0]):
            schema = pq.read_schema(paths[0])
        return Staged(manifest, schema, paths, partial(_reader, paths, schema))

    def clear(self, lock: Lock) -> None:
        # Past obstore, which does not list the unfinished files of a process that was killed.
        with _plainly(self.path):
            for folder in Path(self.path, window_folder(lock)).glob("epoch=*"):
                epoch = epoch_of(folder.name)
                if epoch is not None and epoch < lock.epoch and epoch != lock.columns.get("stage_epoch"):
                    shutil.rmtree(folder)

    def _store(self) -> "LocalStore":
        from obstore.store import LocalStore

        return LocalStore(Path(self.path).absolute(), mkdir=True)

    def _fence(self, store: "LocalStore", lock: Lock) -> None:
        # A manifest of this very epoch is seen when ours is created; here it saves the work.
        newest = max(_epochs(store, lock), default=0)
        if newest > lock.epoch or _exists(store, f"{epoch_folder(lock)}/{NAME}"):
            raise self._fenced(lock, newest)

    def _fenced(self, lock: Lock, newest: int) -> Fenced:
        return Fenced(
            f"Window {lock.window} is staged in {self.path} under epoch {newest} already; epoch {lock.epoch} "
            f"of {lock.owner} changed nothing and stops."
        )

    def _absent(self, host: str, path: Path) -> PipelineError:
        here = socket.gethostname()
        if host in {here, ""} or self.shared:
            return StageLost(f"There is no staged manifest at {path}; the window is staged again.")
        return StageElsewhere(
            f"The window is staged on host {host} in {path.parent}, which is not on this host, {here}: use a "
            "stage in object storage, or a folder that all hosts mount with `stage.shared: true`, or "
            "`dag_shape: single`."
        )


def _stored(store: "LocalStore", folder: str, parts: Iterable[Part]) -> Iterator[StagedFile]:
    # Created, never overwritten, at the next free number: another writer's files stay what they are.
    names = (f"part-{number:05}.parquet" for number in count())
    for part in parts:
        name = next(name for name in names if _created(store, f"{folder}/{name}", part.data.pieces))
        yield StagedFile(name, part.rows, part.data.size)


def _created(store: "LocalStore", path: str, pieces: list[bytes]) -> bool:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    try:
        obstore.put(store, path, pieces, mode="create", use_multipart=False)
    except AlreadyExistsError:
        return False
    return True


def _exists(store: "LocalStore", path: str) -> bool:
    import obstore

    try:
        obstore.head(store, path)
    except FileNotFoundError:
        return False
    return True


def _epochs(store: "LocalStore", lock: Lock) -> list[int]:
    import obstore

    folders = obstore.list_with_delimiter(store, window_folder(lock))["common_prefixes"]
    return [epoch for epoch in map(epoch_of, folders) if epoch is not None]


def _verified(folder: Path, file: StagedFile) -> str:
    path = folder / file.name
    size = path.stat().st_size if path.is_file() else None
    if size != file.size:
        found = "is gone" if size is None else f"has {size} bytes instead of {file.size}"
        raise StageLost(f"The staged file {path} {found}; the window is staged again.")
    return str(path)


def _reader(paths: list[str], schema: pa.Schema) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, _batches(paths))


def _batches(paths: list[str]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with _read_back(path), pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER) as file:
            yield from file.iter_batches(use_threads=False)


@contextmanager
def _read_back(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as raised:
        why = str(raised).partition("\n")[0]
        raise StageLost(
            f"The staged file {path} cannot be read ({why}); the window is staged again."
        ) from raised


def _address(path: Path) -> str:
    return f"file://{socket.gethostname()}{quote(str(path), safe='/=')}"


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
    if re.search(
        "ermission denied|Read-only file system|Not a directory|File exists|File name too long", text
    ):
        return Misuse(
            f"The stage folder {path} cannot be written ({text}): allow it, or change `stage.path`."
        )
    if re.search("No space left|quota|File too large", text):
        return Unavailable(f"The disk of the stage folder {path} is full: free some space, then try again.")
    return Unavailable(f"The stage folder {path} does not work: {text}")

"""A folder of this host, or one that hosts share, as stage."""

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pyarrow.parquet as pq
from pydantic import PositiveInt

from implementations.object_store import objects
from implementations.staging.manifest_file import NAME, addressed, believed
from implementations.staging.paths import epoch_folder, epoch_of, window_folder
from pipeline_framework.errors import Misuse, PipelineError, StageElsewhere, StageLost, Unavailable
from pipeline_framework.interfaces import Lock, Manifest, Reading, Staged, StagedFile, StatePath

if TYPE_CHECKING:
    from obstore.store import LocalStore

BUFFER = 1024**2  # bytes of a column read at once


@dataclass(frozen=True)
class LocalStage:
    """Parquet in a folder of this host (`type: local`).

    `path`: the folder, made when it is missing. `shared`: true when every host mounts it, so that
    what is absent is lost and not on another host. `part_bytes`: bytes of a file, which are held in
    memory while it is written; the first eight of a window are a quarter.
    """

    path: StatePath
    shared: bool = False
    part_bytes: PositiveInt = 16 * 1024**2

    def check(self) -> str:
        with _plainly(self.path):
            objects.tried(self._store())
        return f"{self.path}: can write and remove on host {socket.gethostname()}"

    def write(self, lock: Lock, reading: Reading) -> Manifest:
        host = socket.gethostname()
        with _plainly(self.path):
            manifest, text = objects.write(
                self._store(), self.path, lock, reading, part_bytes=self.part_bytes, host=host
            )
        return addressed(manifest, text, _address(Path(self.path).absolute() / epoch_folder(lock) / NAME))

    def staged(self, lock: Lock) -> Staged:
        host, path = _located(str(lock.columns.get("manifest_address") or ""))
        with _plainly(self.path):
            if not path.is_file():
                raise self._absent(host, path)
            manifest = believed(path.read_bytes(), lock)
        paths = [_verified(path.parent, file) for file in manifest.files]
        openers = [partial(_opened, path) for path in paths]
        schema = objects.schema_of(paths[0], openers[0])
        return Staged(manifest, schema, paths, partial(objects.reader, paths, openers, schema))

    def clear(self, lock: Lock) -> None:
        # Past obstore, which does not list the unfinished files of a process that was killed.
        with _plainly(self.path):
            for folder in Path(self.path, window_folder(lock)).glob("epoch=*"):
                if objects.outdated(epoch_of(folder.name), lock):
                    with suppress(FileNotFoundError):  # somebody else clears the same
                        shutil.rmtree(folder)

    def _store(self) -> "LocalStore":
        from obstore.store import LocalStore

        return LocalStore(Path(self.path).absolute(), mkdir=True)

    def _absent(self, host: str, path: Path) -> PipelineError:
        here = socket.gethostname()
        if host in {here, ""} or self.shared:
            return StageLost(f"There is no staged manifest at {path}; the window is staged again.")
        return StageElsewhere(
            f"The window is staged on host {host} in {path.parent}, which is not on this host, {here}: use a "
            "stage in object storage, or a folder that all hosts mount with `stage.shared: true`, or "
            "`dag_shape: single`."
        )


def _verified(folder: Path, file: StagedFile) -> str:
    path = folder / file.name
    size = path.stat().st_size if path.is_file() else None
    if size != file.size:
        found = "is gone" if size is None else f"has {size} bytes instead of {file.size}"
        raise objects.lost(str(path), found)
    return str(path)


def _opened(path: str) -> pq.ParquetFile:
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)


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
    return Unavailable(
        f"The stage folder {path} does not work ({text}): look at its disk, or change `stage.path`."
    )

"""Which files a path means, and whether they are still the ones that were counted."""

import glob
import os
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import Literal

from pipeline_framework.errors import BadData, Misuse, Unavailable

Format = Literal["parquet", "csv", "jsonl"]
_ENDINGS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was when it was looked at: size in bytes, `changed` in nanoseconds since 1970."""

    path: str
    format: Format
    size: int
    changed: int

    def unchanged(self) -> None:
        """Raise `Unavailable` when the file is gone or another by now."""
        if _seen(self.path, self.format) != self:
            raise Unavailable(f"{self.path} changed while it was read; the window is read again.")


def files_of(path: str, declared: Format | None) -> list[File]:
    """The files of a path, sorted: one file, a folder with all below it, or a pattern (`**` too).

    Files and folders whose names begin with `.` or `_` are left out: writers keep unfinished work
    there. Raises `Misuse` when nothing matches or may be read, `BadData` for an empty file, `Unavailable`
    for a place that does not answer.
    """
    try:
        found = [_seen(name, declared or _format_of(name)) for name in _names(Path(path), declared)]
    except PermissionError as refused:
        raise _denied(path) from refused
    except OSError as refused:
        seen = f"{refused.filename or path} cannot be looked at ({refused.strerror})"
        raise Unavailable(f"{seen}: mend it, or change `source.path`.") from refused
    if not found:
        raise Misuse(f"No file matches `source.path`: {path}. Correct the path, or put the files there.")
    for file in found:
        _readable(file)
    return found


def _names(path: Path, declared: Format | None) -> list[str]:
    if path.is_file():
        return [str(path)]
    if path.is_dir():
        # A folder also holds readme files and the like; a pattern is taken at its word.
        below = _matching(path, Path(glob.escape(str(path)), "**", "*"))
        return [name for name in below if declared or _ending(name) in _ENDINGS]
    fixed = takewhile(lambda part: not glob.has_magic(part), path.parts)
    return _matching(Path(*fixed), path)


def _matching(root: Path, pattern: Path) -> list[str]:
    # What may not be listed would be passed over in silence.
    listed = [folder for folder in pattern.parents if len(folder.parts) >= len(root.parts)]
    for folder in chain.from_iterable(map(_glob, listed)):
        if Path(folder).is_dir() and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
            raise _denied(folder)
    found = (name for name in _glob(pattern) if not Path(name).is_dir())
    return sorted(name for name in found if _ours(Path(name).relative_to(root)))


def _glob(pattern: Path) -> list[str]:
    return glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern


def _ours(below: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in below.parts)


def _ending(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix


def _format_of(name: str) -> Format:
    if _ending(name) not in _ENDINGS:
        raise Misuse(f"The name of {name} tells no format: declare `source.format` as parquet, csv or jsonl.")
    return _ENDINGS[_ending(name)]


def _seen(name: str, kind: Format) -> File:
    try:
        status = Path(name).stat()
    except FileNotFoundError as gone:
        raise vanished(name) from gone
    return File(name, kind, status.st_size, status.st_mtime_ns)


def vanished(name: str) -> Unavailable:
    """The error for a file that was there a moment ago, or a link to none."""
    if (link := Path(name)).is_symlink():
        there = link.readlink()
        return Unavailable(f"{name} is a link to {there}, which is not there: make it, or remove the link.")
    return Unavailable(f"{name} vanished while it was read; the window is read again.")


def _readable(file: File) -> None:
    if not os.access(file.path, os.R_OK, effective_ids=True):
        raise _denied(file.path)
    if not file.size:
        raise BadData(f"{file.path} is empty (0 bytes): remove it, or write it again.")


def _denied(path: str) -> Misuse:
    return Misuse(f"No permission to read {path}: give this user the right, or change `source.path`.")

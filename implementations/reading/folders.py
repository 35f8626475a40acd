"""Which files a path means, and whether they are still the ones that were counted."""

import glob
import os
from dataclasses import dataclass
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
    """A file as it was when it was looked at; `changed` in nanoseconds since 1970."""

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

    Names that begin with `.` or `_` are left out, as writers' own. Raises `Misuse` when nothing
    matches or no permission, `BadData` for an empty file.
    """
    found = [_seen(name, declared or _format_of(name)) for name in _names(path, declared)]
    if not found:
        raise Misuse(f"No file matches `source.path`: {path}. Correct the path, or put the files there.")
    for file in found:
        _readable(file)
    return found


def _names(path: str, declared: Format | None) -> list[str]:
    if os.path.isfile(path):
        return [path]
    pattern = os.path.join(glob.escape(path), "**", "*") if os.path.isdir(path) else path
    names = (name for name in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(name))
    # A folder also holds readme files and the like; a pattern is taken at its word.
    return [name for name in names if _ours(name) and (declared or not os.path.isdir(path) or _ending(name) in _ENDINGS)]


def _ours(name: str) -> bool:
    return not os.path.basename(name).startswith((".", "_"))


def _ending(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix


def _format_of(name: str) -> Format:
    if _ending(name) not in _ENDINGS:
        raise Misuse(f"The name of {name} does not tell its format: declare `source.format` as parquet, csv or jsonl.")
    return _ENDINGS[_ending(name)]


def _seen(name: str, kind: Format) -> File:
    try:
        status = os.stat(name)
    except FileNotFoundError as gone:
        raise Unavailable(f"{name} vanished while it was read; the window is read again.") from gone
    except OSError as refused:
        raise Misuse(f"{name} cannot be read: {refused.strerror}. Give this user the right to read it.") from refused
    return File(name, kind, status.st_size, status.st_mtime_ns)


def _readable(file: File) -> None:
    if not os.access(file.path, os.R_OK, effective_ids=True):
        raise Misuse(f"No permission to read {file.path}: give this user the right, or leave it out of `source.path`.")
    if not file.size:
        raise BadData(f"{file.path} is empty (0 bytes): remove it, or write it again.")

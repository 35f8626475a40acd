"""Text files as streams: opened, unpacked, and their faults told by file and line."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from implementations.reading.folders import File
from pipeline_framework.errors import BadData, Unavailable


@contextmanager
def opened(file: File) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when its name ends in .gz."""
    try:
        with gzip.open(file.path) if file.path.lower().endswith(".gz") else open(file.path, "rb") as stream:
            yield cast(BinaryIO, stream)
    except FileNotFoundError as gone:
        raise Unavailable(f"{file.path} vanished while it was read; the window is read again.") from gone
    except (gzip.BadGzipFile, EOFError, OSError) as refused:
        raise BadData(f"{file.path} cannot be read to its end: {refused}. Write it again.") from refused


def whole_lines(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Blocks of about `size` bytes that end at a line's end; memory is bounded by block and longest line."""
    rest = b""
    while block := stream.read(size):
        head, newline, tail = (rest + block).rpartition(b"\n")
        if newline:
            yield head + newline
        rest = tail
    if rest:
        yield rest + b"\n"

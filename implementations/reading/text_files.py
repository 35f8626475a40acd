"""Text files as streams: opened, unpacked, and their faults told by file."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from implementations.reading.folders import File, vanished
from pipeline_framework.errors import BadData


@contextmanager
def opened(file: File) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when its name ends in .gz."""
    packed = file.path.lower().endswith(".gz")
    try:
        with gzip.open(file.path) if packed else Path(file.path).open("rb") as stream:
            yield cast(BinaryIO, stream)
    except FileNotFoundError as gone:
        raise vanished(file.path) from gone
    except (EOFError, OSError, zlib.error) as refused:
        file.unchanged()
        raise BadData(f"{file.path} cannot be read to its end ({refused}): write it again.") from refused


def whole_lines(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Blocks of about `size` bytes that end where a line ends; a longer line is one block."""
    rest: list[bytes] = []
    while block := stream.read(size):
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield b"".join([*rest, head, newline])
            rest = []
        rest.append(tail)
    if last := b"".join(rest):
        yield last + b"\n"


class Followed(io.RawIOBase):
    """A stream with some bytes behind its end."""

    def __init__(self, stream: BinaryIO, behind: bytes) -> None:
        self._stream, self._behind = stream, io.BytesIO(behind)

    def readable(self) -> bool:
        """It can only be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end alone."""
        block = self._stream.read(size)
        return block + self._behind.read(max(size - len(block), -1))

"""Rows that were put aside, each with the reason: JSON lines, in memory up to a bound.

A line is an object: `reason`, `place` (file and line, or whatever the source calls a row), `at` (UTC), and
the row as it was written in `document`, or in `document_base64` where that is not UTF-8.
"""

import json
import threading
import weakref
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO

MEMORY = 4 * 1024**2  # bytes; with more of them all go to a temporary file


class DeadLetters:
    """Letters in the order in which they came; whoever adds to them holds `one_at_a_time`."""

    def __init__(self) -> None:
        self._lines: IO[bytes] = BytesIO()
        self.first = ""  # reason
        self.one_at_a_time = threading.Lock()

    def add(self, document: bytes, reason: str, place: str = "") -> None:
        """Keep one."""
        self.first = self.first or (f"{place}: {reason}" if place else reason)
        self._lines.write(line(document, reason, place))
        if isinstance(self._lines, BytesIO) and self._lines.tell() > MEMORY:
            self._lines = self._on_disk(self._lines.getbuffer())

    def files(self, size: int) -> Iterator[tuple[bytes, int]]:
        """All of them as files of about `size` bytes, each with its number of letters."""
        self._lines.seek(0)
        while lines := self._lines.readlines(size):
            yield b"".join(lines), len(lines)

    def _on_disk(self, lines: memoryview) -> IO[bytes]:
        file = TemporaryFile()  # noqa: SIM115 - it lives as long as the letters
        weakref.finalize(self, file.close)
        file.write(lines)
        return file


def line(document: bytes, reason: str, place: str) -> bytes:
    """A letter as it is written."""
    facts = {"reason": reason, "place": place, "at": datetime.now(UTC).isoformat()}
    told = json.dumps({**facts, **_as_text(document)}, ensure_ascii=False)
    return told.encode("utf-8", "backslashreplace") + b"\n"


def _as_text(document: bytes) -> dict[str, str]:
    try:
        return {"document": document.decode()}
    except UnicodeDecodeError:
        return {"document_base64": b64encode(document).decode()}

"""Files that another process has open."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def holder(path: str, *, writing: bool = True) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the file open until it is told to let go."""
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == '0');"
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, path, str(int(writing))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()

"""What a person sees while windows are at work, with a terminal and without."""

import os
import pty
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("bars_script.py")


def on_a_terminal(columns: int) -> str:
    """What a terminal of that width gets."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, str(SCRIPT)], stdout=follower, stderr=follower, env=environment, close_fds=True
    ):
        os.close(follower)
        seen = b""
        while True:
            try:
                more = os.read(leader, 65536)
            except OSError:  # Linux's way to say that nobody writes any more
                break
            if not more:
                break
            seen += more
    os.close(leader)
    return seen.decode()


def test_a_terminal_of_80_columns_has_room_for_all() -> None:
    """Windows, and below them rows, bytes, rate, part done; lines come above the bars, whole."""
    seen = on_a_terminal(80)
    for words in ("0 of 2", "17 source_to_stage", "50%", "500k rows 65 MB ", "/s", "18 stage_to_target"):
        assert words in seen
    assert "Elasticsearch is busy. Trying again in 2.5 s.\r\n" in seen
    assert "window 18  loaded  all rows are there\r\n" in seen


def test_without_a_terminal_there_are_lines() -> None:
    """Results on standard output, repetitions on standard error, and no bar anywhere."""
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"window {number}  loaded  all rows are there" for number in (17, 18)]
    assert done.stderr.splitlines() == ["Elasticsearch is busy. Trying again in 2.5 s."] * 2

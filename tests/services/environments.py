"""Environments beside .venv, each with packages that cannot share one with the others."""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(name: str) -> Path:
    """The folder .venv-NAME, as requirements/NAME.txt says; made by whoever is first to ask for it.

    Raises `OSError` or `subprocess.CalledProcessError` where scripts/setup.sh cannot make it.
    """
    with Path(tempfile.gettempdir(), f"pipeline-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = [str(ROOT / "scripts" / "setup.sh"), name]
        subprocess.run(made, check=True, capture_output=True, env={**os.environ, "PYTHON": sys.executable})
    return ROOT / f".venv-{name}"

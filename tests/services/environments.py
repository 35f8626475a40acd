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

    Raises `OSError`, with what scripts/setup.sh says, where it cannot make it within ten minutes.
    """
    with Path(tempfile.gettempdir(), f"pipeline-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = [str(ROOT / "scripts" / "setup.sh"), name]
        python = {**os.environ, "PYTHON": sys.executable}
        try:
            subprocess.run(made, check=True, capture_output=True, text=True, env=python, timeout=600)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said: object = error.stderr
            raise OSError(f"{error} {said}") from None
    return ROOT / f".venv-{name}"

"""The figures of the control table can be had: each script runs to its last line at a size of seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks._postgres import programs

ROOT = Path(__file__).parent.parent
TINY = {
    "reports": ["--windows", "4000"],
    "claims": ["--windows", "11000", "--transactions", "32", "--backoff", "400", "--without-vacuum", "32"],
    "claims_sqlite": ["--windows", "1000", "--seconds", "0.1"],
    "python_path": ["--times", "2"],
}


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.parametrize("figure", TINY)
def test_figure_can_be_measured(figure: str) -> None:
    """It prints ratios, leaves nothing behind and ends well."""
    if figure != "claims_sqlite":
        try:
            programs()
        except SystemExit as missing:
            pytest.skip(str(missing))
    command = [sys.executable, str(ROOT / "benchmarks" / f"{figure}.py"), *TINY[figure]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "times" in done.stdout or "ratio" in done.stdout

"""The reference page in docs is the one that the code writes."""

import subprocess
import sys
from pathlib import Path

from pipeline_framework.config.models import Control, Keys
from pipeline_framework.config.reference import page

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_the_committed_page_is_current() -> None:
    """Write it with `python -m pipeline_framework.config.reference > docs/reference/configuration.md`."""
    assert COMMITTED.read_text() == page()


def test_every_key_has_its_row() -> None:
    """Also those inside control."""
    rows = {line.split("`")[1] for line in page().splitlines() if line.startswith("| `")}
    expected = set(Keys.model_fields) - {"control"} | {f"control.{name}" for name in Control.model_fields}
    assert rows == expected


def test_the_command_writes_the_page() -> None:
    """As the page itself says, without a warning."""
    command = [sys.executable, "-W", "error", "-m", "pipeline_framework.config.reference"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == (page(), "")

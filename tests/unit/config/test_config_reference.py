"""The reference page in docs is the one that the code writes."""

import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel

from pipeline_framework.config.dag_settings import Airflow, TaskSettings
from pipeline_framework.config.models import Control, Keys
from pipeline_framework.config.reference import page

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_the_committed_page_is_current() -> None:
    """Write it with `python -m pipeline_framework.config.reference > docs/reference/configuration.md`."""
    assert COMMITTED.read_text() == page()


def test_every_key_has_its_row() -> None:
    """Also those inside control and airflow; the eight tasks, whose keys are the same, are told once."""
    rows = {line.split("`")[1] for line in page().splitlines() if line.startswith("| `")}
    inner: dict[str, type[BaseModel]] = {
        "control": Control,
        "airflow": Airflow,
        "airflow.tasks.<task>": TaskSettings,
    }
    keys = {f"{name}.{key}" for name, model in inner.items() for key in model.model_fields}
    assert rows == (set(Keys.model_fields) | keys) - {"control", "airflow", "airflow.tasks"}


def test_the_command_writes_the_page() -> None:
    """As the page itself says, without a warning."""
    command = [sys.executable, "-W", "error", "-m", "pipeline_framework.config.reference"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == (page(), "")

"""What is installed is what is needed: the wheel carries the SQL, and finds it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_finds_its_sql(wheel: Path, tmp_path: Path) -> None:
    """A migration runs from the unpacked wheel alone, outside the checkout."""
    program = (
        "import pipeline_framework\n"
        "from pipeline_framework.control_table import Database\n"
        "from pipeline_framework.control_table.migrations import migrate\n"
        "with Database('sqlite:///control.db') as database: print(len(migrate(database)))\n"
        "print(pipeline_framework.__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=True,
    )
    applied, place = done.stdout.split()
    assert int(applied) >= 1
    assert place.startswith(str(wheel))


def test_the_wheel_leaves_a_users_implementations_alone(wheel: Path) -> None:
    """`implementations` is a namespace: a folder of that name of somebody's own merges with it."""
    assert (wheel / "implementations" / "duckdb" / "target.py").exists()
    assert not (wheel / "implementations" / "__init__.py").exists()
    assert (wheel / "pipeline_framework" / "py.typed").exists()


def test_the_wheel_carries_its_licence(wheel: Path) -> None:
    """The text of the licence that its metadata names."""
    metadata = next(wheel.glob("*.dist-info/METADATA")).read_text()
    assert "License-Expression: Apache-2.0\n" in metadata
    assert next(wheel.glob("*.dist-info/licenses/LICENSE")).read_text() == (ROOT / "LICENSE").read_text()

"""What `make` says on a machine that lacks something."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "cksum", "dirname", "uname", "rm")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a clone as set-up looks at before it installs anything."""
    shutil.copytree(ROOT / "scripts", tmp_path / "clone" / "scripts")
    (tmp_path / "clone" / "requirements").mkdir()
    (tmp_path / "clone" / "requirements" / "run.txt").write_text("")
    (tmp_path / "clone" / "pyproject.toml").write_text("")
    return tmp_path / "clone"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A machine with a shell and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    """Put a program of that name on the machine."""
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def set_up(clone: Path, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run set-up on that machine."""
    return subprocess.run(
        [clone / "scripts" / "setup.sh", "run"],
        env={"PATH": str(programs), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_is_one_sentence(clone: Path, programs: Path) -> None:
    """It says which versions are needed and how to name one."""
    done = set_up(clone, programs)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 to 3.14 is needed")
    assert len(done.stderr.splitlines()) == 1


def test_an_old_python_is_no_python(clone: Path, programs: Path) -> None:
    """Whatever answers to `python3` has to be new enough."""
    program(programs, "python3", "exit 1")
    assert "Python 3.11 to 3.14 is needed" in set_up(clone, programs).stderr


def test_a_python_without_venv_is_one_sentence(clone: Path, programs: Path) -> None:
    """As on Debian without python3-venv; the sentence says what to install."""
    program(programs, "python3", f'case "$2" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"')
    done = set_up(clone, programs)
    assert done.returncode == 1
    assert (
        "python3 has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)" in done.stderr
    )


def test_windows_is_sent_to_wsl(clone: Path, programs: Path) -> None:
    """Airflow does not run there."""
    program(programs, "uname", "echo MINGW64_NT-10.0")
    assert "Airflow does not run on Windows: use WSL" in set_up(clone, programs).stderr


def test_a_named_python_is_taken(clone: Path, programs: Path) -> None:
    """PYTHON=... comes before whatever is on the PATH; one that does not fit is refused by name."""
    done = set_up(clone, programs, PYTHON="/nowhere/python3")
    assert "/nowhere/python3 is not one" in done.stderr


def test_an_unchanged_lock_installs_nothing(clone: Path, programs: Path) -> None:
    """The second `make` goes to work at once; a changed lock installs again."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    called = clone / "called"
    record = f'[ "$1" = -m ] && echo pip >>{called}\nexit 0'
    program(clone / ".venv" / "bin", "python", record)
    (clone / ".venv" / "folder").write_text(f"{os.path.realpath(clone)}\n")
    program(programs, "env", 'shift; exec "$@"')
    assert set_up(clone, programs).returncode == 0
    once = called.read_text()
    assert set_up(clone, programs).returncode == 0
    assert called.read_text() == once
    (clone / "requirements" / "run.txt").write_text("changed")
    assert set_up(clone, programs).returncode == 0
    assert called.read_text() == once * 2

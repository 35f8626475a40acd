"""The house itself: who imports whom, how large rooms get, and that every test says what it shows."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = sorted((ROOT / "pipeline_framework").rglob("*.py")) + sorted(
    (ROOT / "implementations").rglob("*.py")
)
LARGEST_FILE = 250  # lines
LARGEST_MEDIAN = 7  # lines of a function's body


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Every function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


def test_layers_import_downwards_only() -> None:
    """Every contract of .importlinter is kept."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", SOURCE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path: Path) -> None:
    """A file that outgrows its room gives work to the room below."""
    assert len(path.read_text().splitlines()) <= LARGEST_FILE


def test_functions_stay_small() -> None:
    """The median function fits a glance: signature and docstring aside, its body is a few lines."""
    sizes = [body_lines(function) for path in SOURCE for function in functions(path)]
    assert median(sizes) <= LARGEST_MEDIAN


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function behind its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("word", ["utils", "common", "helpers", "manager", "base"])
def test_no_file_has_a_name_that_says_nothing(word: str) -> None:
    """A reader knows from the tree where a line lives."""
    assert not [path for path in SOURCE if path.stem == word]


def test_every_test_says_what_it_shows() -> None:
    """Each test function has its sentence."""
    silent = [
        f"{path.name}: {function.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent


def test_every_module_says_what_it_is_for() -> None:
    """A file begins with its sentence."""
    silent = [
        str(path.relative_to(ROOT)) for path in SOURCE if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent

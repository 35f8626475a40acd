"""Modules beside a configuration file."""

import importlib
import sys
from pathlib import Path

import pytest

from pipeline_framework.config import beside


def module(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name.replace('.', '/')}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return folder


def test_a_module_beside_the_file_is_found(tmp_path: Path) -> None:
    """With the modules that it imports from there, and sys.path is as before."""
    module(tmp_path, "sibling_a", "answer = 42")
    module(tmp_path, "beside_a", "from sibling_a import answer")
    before = list(sys.path)
    assert beside.imported("beside_a", tmp_path).answer == 42
    assert sys.path == before


def test_a_package_beside_the_file_is_found(tmp_path: Path) -> None:
    """Dotted names and relative imports work."""
    module(tmp_path, "package_b.__init__", "")
    module(tmp_path, "package_b.parts", "answer = 42")
    module(tmp_path, "package_b.steps", "from .parts import answer")
    assert beside.imported("package_b.steps", tmp_path).answer == 42


def test_two_folders_may_use_one_name(tmp_path: Path) -> None:
    """Each pipeline gets its own module and its own sibling, again and again."""
    for folder in ("one", "two"):
        module(tmp_path / folder, "sibling_c", f"answer = '{folder}'")
        module(tmp_path / folder, "beside_c", "from sibling_c import answer")
    answers = [beside.imported("beside_c", tmp_path / folder).answer for folder in ("one", "two", "one")]
    assert answers == ["one", "two", "one"]


def test_a_module_is_imported_once_for_its_folder(tmp_path: Path) -> None:
    """Classes stay the same classes when another folder was asked in between."""
    module(tmp_path / "one", "beside_d", "class Thing: ...")
    module(tmp_path / "two", "beside_d", "class Thing: ...")
    first = beside.imported("beside_d", tmp_path / "one")
    beside.imported("beside_d", tmp_path / "two")
    assert beside.imported("beside_d", tmp_path / "one") is first


def test_sys_path_comes_first(tmp_path: Path) -> None:
    """A file named like an installed module does not replace it."""
    module(tmp_path, "json", "raise RuntimeError")
    assert beside.imported("json", tmp_path) is importlib.import_module("json")


def test_packages_of_an_environment_inside_the_folder_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imported twice, a package such as numpy breaks."""
    packages = module(tmp_path / "one" / ".venv" / "lib", "installed_e", "class Thing: ...")
    monkeypatch.syspath_prepend(str(packages))
    module(tmp_path / "one", "beside_e", "import installed_e")
    module(tmp_path / "two", "beside_f", "import installed_e")
    first = beside.imported("beside_e", tmp_path / "one").installed_e
    assert beside.imported("beside_f", tmp_path / "two").installed_e is first


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path) -> None:
    """sys.path is as before, and the repaired module is read anew."""
    module(tmp_path, "beside_g", "1 / 0")
    before = list(sys.path)
    with pytest.raises(ZeroDivisionError):
        beside.imported("beside_g", tmp_path)
    assert sys.path == before
    module(tmp_path, "beside_g", "answer = 42  # repaired")
    assert beside.imported("beside_g", tmp_path).answer == 42

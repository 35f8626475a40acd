"""Modules that a configuration names: found on sys.path, or else beside the configuration file.

Two pipelines may each have a `transfer.py` of their own: what was found beside one file is put aside
while modules of another file are imported.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import ModuleType

_lock = RLock()
_found: dict[Path, dict[str, ModuleType]] = {}  # folder -> modules that were imported from there


def imported(name: str, folder: Path) -> ModuleType:
    """The module `name`; raises what its import raises, and leaves sys.path as it was."""
    with _lock, _visible(folder):
        return importlib.import_module(name)


@contextmanager
def _visible(folder: Path) -> Iterator[None]:
    _put_aside(folder)
    if str(folder) in sys.path:
        yield
        return
    importlib.invalidate_caches()
    before = set(sys.modules)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        new = {name: sys.modules[name] for name in set(sys.modules) - before}
        _found[folder].update({name: module for name, module in new.items() if _lies_in(name, folder)})


def _put_aside(folder: Path) -> None:
    for name, module in ((name, module) for modules in _found.values() for name, module in modules.items()):
        if sys.modules.get(name) is module:
            del sys.modules[name]
    sys.modules.update(_found.setdefault(folder, {}))


def _lies_in(name: str, folder: Path) -> bool:
    """Whether the package of a module is a direct child of `folder` (and no environment further inside)."""
    top = name.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    return bool(file) and Path(str(file)).parent in (folder, folder / top)

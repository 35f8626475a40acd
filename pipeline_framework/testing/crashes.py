"""Loads that are killed on the way, for the method `crash` of a target's test."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import wraps
from itertools import count
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing.staged import processes

Which = Callable[..., bool]


def every(*_: Any, **__: Any) -> bool:
    """Every call counts."""
    return True


def killed(
    at: Sequence[str],
    target: Target,
    lock: Lock,
    staged: Staged,
    step: int,
    *,
    which: Which = every,
    values: Mapping[str, object] | None = None,
) -> bool:
    """Load in a process that dies (SIGKILL) before call `step` of the functions that `at` names.

    They are named as for `unittest.mock.patch` (`my_package.session.Session.rows`): those through which the
    connector speaks to its system; only the calls for whose arguments `which` holds count. `values` has what
    other names stand for in that process, as a smaller limit. False where the load ended in fewer calls.
    """
    process = processes().Process(target=_load, args=(at, (target, lock, staged), step, which, values or {}))
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, f"the load failed with exit code {process.exitcode}"
    return process.exitcode != 0


def _load(
    at: Sequence[str],
    job: tuple[Target, Lock, Staged],
    step: int,
    which: Which,
    values: Mapping[str, object],
) -> None:
    target, lock, staged = job
    calls = count()
    with ExitStack() as patches:
        for name, value in values.items():
            patches.enter_context(patch(name, value))
        for name in at:
            place, _, function = name.rpartition(".")
            owner = resolve_name(place)
            dying = _dying(getattr(owner, function), calls, step, which)
            patches.enter_context(patch.object(owner, function, dying))
        target.load(lock, staged)


def _dying(function: Callable[..., Any], calls: Iterator[int], step: int, which: Which) -> Callable[..., Any]:
    @wraps(function)
    def counted(*values: Any, **named: Any) -> Any:
        if which(*values, **named) and next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*values, **named)

    return counted

"""Servers that tests start: on a free port, as an ordinary user, and never longer than the tests live."""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ORDINARY = "nobody"  # what database servers and Java want instead of root


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ordinary_user(folder: Path) -> dict[str, Any]:
    """As whom a server runs: root drops to an ordinary user, who then owns `folder`."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(ORDINARY)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def serve(
    command: Sequence[object], ended_by: signal.Signals = signal.SIGQUIT, **settings: Any
) -> "subprocess.Popen[bytes]":
    """Start a server, silent; Linux ends it when the tests were killed. `settings` are those of `Popen`."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dying = partial(die_with_parent, ended_by)
    return subprocess.Popen(list(map(str, command)), preexec_fn=dying, **{**silent, **settings})  # noqa: PLW1509 - no threads yet


def die_with_parent(ended_by: signal.Signals = signal.SIGQUIT) -> None:
    """Let Linux send the signal when the tests were killed and could not: PR_SET_PDEATHSIG, man 2 prctl.

    Java tells of its threads at SIGQUIT and goes on: it wants SIGTERM.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, ended_by)


def await_answer(
    ask: Callable[[], object], process: "subprocess.Popen[bytes]", refusal: type[Exception], seconds: float
) -> None:
    """Ask until `refusal` is raised no more; `TimeoutError` when the process ends or the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            ask()
        except refusal as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"it does not answer: {error}") from None
            time.sleep(0.05)
        else:
            return


def stop(process: "subprocess.Popen[bytes]", ended_by: signal.Signals = signal.SIGQUIT) -> None:
    """End a server at once; what it holds is thrown away."""
    if process.poll() is None:
        process.send_signal(ended_by)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def docker_answers(reasons: list[str]) -> bool:
    """Whether there is an engine for containers."""
    try:
        import docker  # type: ignore[import-untyped]

        docker.from_env(timeout=2).ping()
    except Exception as error:  # noqa: BLE001 - whatever is the matter, there is no engine
        reasons.append(f"no Docker engine answers ({type(error).__name__})")
        return False
    return True


@contextmanager
def given(variable: str, reasons: list[str]) -> Iterator[str | None]:
    """The server that the environment names."""
    url = os.environ.get(variable)
    if not url:
        reasons.append(f"{variable} is not set")
    yield url

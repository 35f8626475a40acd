"""An Airflow of its own on this machine: own home, own port, own processes, and nothing left behind.

Used by `make run`, `make airflow` and the tests; made for one person on one machine, not for production.
"""

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self
from urllib.request import urlopen

import psutil

ROOT = Path(__file__).resolve().parents[1]
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
# Becomes the command of its arguments; on Linux that gets SIGTERM when this process is killed outright.
WITH_PARENT = f"""
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGTERM, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def free_port(favourite: int = 0) -> int:
    """A loopback port that nobody listens on now: the favourite, or else any."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", favourite))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, dags: Path, port: int = 0, **settings: str) -> dict[str, str]:
    """The variables that make an `airflow` command use `home` and `dags` and nothing of this user's own."""
    foreign = ("AIRFLOW", "PYTHONPATH")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    base = f"http://127.0.0.1:{port}"
    return ours | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **settings,
    }


@dataclass
class LocalAirflow:
    """The parts of one Airflow as processes of this one, each the leader of its own session."""

    home: Path
    variables: Mapping[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where its page is."""
        return self.variables["AIRFLOW__API__BASE_URL"]

    def __enter__(self) -> Self:
        """For a block at whose end everything is over."""
        return self

    def __exit__(self, *_error: object) -> None:
        """However the block ended."""
        self.stop()

    def command(self, *words: str) -> None:
        """Run one `airflow` command to its end; what it said is shown when it fails."""
        if self.begin(*words).wait():
            sys.exit(f"airflow {' '.join(words)} failed:\n{self.log(words[0]).read_text()[-3000:]}")

    def begin(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start an `airflow` process in a session of its own, its output in a log of its name."""
        with self.log(words[0]).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", WITH_PARENT, "airflow", *words],
                env=self.variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start(self) -> None:
        """Migrate the metadata database and start every part; returns when the page answers.

        The scheduler comes last: a task that meets an API server which is not up yet fails.
        """
        adopt_orphans()
        self.command("db", "migrate")
        server = self.begin("api-server")
        self.begin("dag-processor")
        self.wait_for(server, "/api/v2/monitor/health", "/execution/health")
        self.begin("scheduler")

    def wait_for(self, server: "subprocess.Popen[bytes]", *paths: str, seconds: float = 180) -> None:
        """Return when the API server answers all of `paths`; stop with its log when it does not."""
        deadline = time.monotonic() + seconds
        while not all(answers(self.address + path) for path in paths):
            if server.poll() is not None or time.monotonic() > deadline:
                said = self.log("api-server").read_text()[-3000:]
                sys.exit(f"Airflow does not answer at {self.address}:\n{said}")
            time.sleep(0.2)

    def log(self, name: str) -> Path:
        """Where a part or a command writes."""
        return self.home / f"{name}.log"

    def stop(self, patience: float = 5) -> None:
        """Ask the parts to end; after `patience` seconds end what is left, children before their parents."""
        for process in self.processes:
            process.terminate()
        family = self.members()
        psutil.wait_procs(family, timeout=patience)
        while members := self.members():
            family += members
            parents = {parent_of(member) for member in members}
            childless = [member for member in members if member.pid not in parents]
            for member in childless:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            psutil.wait_procs(childless, timeout=1)  # their parents take note of the end
        for process in self.processes:
            process.wait()
        bury(family)

    def members(self) -> list[psutil.Process]:
        """Whatever lives in those sessions: the parts, their workers, and the tasks that these run."""
        leaders = {process.pid for process in self.processes}
        return [process for process in psutil.process_iter() if session_of(process) in leaders]


def end_on_signals() -> None:
    """Ctrl-C, SIGTERM and SIGHUP all raise KeyboardInterrupt, once: impatience must not leave half alive."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)


def interrupted(number: int, _frame: FrameType | None) -> None:
    """The first signal; further ones are not heard."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def adopt_orphans() -> None:
    """On Linux, make this process the parent of those that lose theirs, as init is in a full system."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bury(family: list[psutil.Process]) -> None:
    """Take note of the end of those that became this process's children; else they stay as zombies."""
    for process in family:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def answers(address: str) -> bool:
    """Whether something serves `address`."""
    try:
        with urlopen(address, timeout=5) as reply:  # noqa: S310 the address is ours
            return bool(reply.status == 200)
    except OSError:
        return False


def session_of(process: psutil.Process) -> int | None:
    """The pid of the leader of the process's session; None when it has ended."""
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (OSError, psutil.Error):
        return None


def parent_of(process: psutil.Process) -> int | None:
    """Its parent's pid; None when it has ended."""
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return None

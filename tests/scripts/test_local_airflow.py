"""Processes that must not outlive the program that started them."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from scripts.local_airflow import ROOT, LocalAirflow, adopt_orphans, answers, environment, free_port

STUBBORN = f"""#!{sys.executable}
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not os.fork():
    os.setpgid(0, 0)
time.sleep(60)
"""


@pytest.fixture
def stubborn(tmp_path: Path) -> LocalAirflow:
    """An `airflow` whose parts ignore SIGTERM and have a child in a process group of its own."""
    program = tmp_path / "airflow"
    program.write_text(STUBBORN)
    program.chmod(0o755)
    return LocalAirflow(tmp_path, {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})


def test_nothing_is_left_behind(stubborn: LocalAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that do not want to end, and their children, are gone by pid, not even as zombies."""
    monkeypatch.setenv("PATH", stubborn.variables["PATH"])
    adopt_orphans()
    stubborn.begin("scheduler")
    deadline = time.monotonic() + 20
    while len(stubborn.members()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pids = [member.pid for member in stubborn.members()]
    stubborn.stop(patience=0.2)
    assert stubborn.members() == []
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_parts_end_with_a_program_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to end them, so the system does."""
    program = tmp_path / "airflow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    code = f"""
import os, time
from pathlib import Path
from scripts.local_airflow import ROOT, LocalAirflow
path = "{tmp_path}:" + os.environ["PATH"]
print(LocalAirflow(Path("{tmp_path}"), {{**os.environ, "PATH": path}}).begin("scheduler").pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        part = psutil.Process(int(parent.stdout.readline()))
        deadline = time.monotonic() + 20
        while "sleep" not in part.name():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
    _, alive = psutil.wait_procs([part], timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_a_taken_port_is_not_chosen() -> None:
    """The favourite when it is free, else another one."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def test_airflow_commands_see_nothing_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of another Airflow on this machine stay out of ours."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "postgres://elsewhere")
    variables = environment(tmp_path, tmp_path / "dags")
    assert variables["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "AIRFLOW_CONN_OTHER" not in variables


def test_nobody_answers_at_a_closed_port() -> None:
    """Asking is no error."""
    assert not answers(f"http://127.0.0.1:{free_port()}/")


def test_a_failed_command_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of what it said comes with the sentence."""
    program = tmp_path / "airflow"
    program.write_text("#!/bin/sh\necho 'the database is down'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SystemExit, match="airflow db migrate failed:\nthe database is down"):
        LocalAirflow(tmp_path, dict(os.environ)).command("db", "migrate")

"""`make airflow`, as a person types it and ends it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from scripts.local_airflow import ROOT
from tests.airflow_provider.real_airflow import RealAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


@pytest.fixture
def shown() -> Iterator["subprocess.Popen[str]"]:
    """The program behind `make airflow`, at work."""
    command = [sys.executable, "-m", "scripts.show_airflow"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        yield program
        program.terminate()


def said(program: "subprocess.Popen[str]", what: str) -> str:
    """What the program prints behind `what`."""
    assert program.stdout
    for line in program.stdout:
        found = re.search(rf"{what}:?\s*(\S+)", line)
        if found:
            return found[1]
    raise AssertionError(f"it ended without saying {what}")


def signed_in(address: str, password: str) -> httpx.Client:
    """A client that logged in as a person does."""
    body = {"username": "admin", "password": password}
    token = httpx.post(f"{address}/auth/token", json=body).raise_for_status().json()["access_token"]
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_shows_the_dag_at_work_and_leaves_nothing(
    shown: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    """Address and password work, the first run moves a window, and the end takes processes and files away."""
    address, password = (
        said(shown, "Airflow:").removesuffix("/dags/data_pipeline_main"),
        said(shown, "password"),
    )
    state = said(shown, "PIPELINE_STATE_DIR=")
    with signed_in(address, password) as client:
        assert httpx.post(f"{address}/auth/token", json={"username": "admin", "password": "no"}).is_error
        dags = client.get("/api/v2/dags").raise_for_status().json()["dags"]
        run = RealAirflow(client).first_tick("data_pipeline_main")
        assert [dag["dag_id"] for dag in dags] in ([], ["data_pipeline_main"])
        assert run.ended() == "success"
    assert (Path(state) / "control.db").exists()
    family = psutil.Process(shown.pid).children(recursive=True)
    assert len(family) > 3
    shown.send_signal(number)
    assert shown.wait(60) == 0
    assert not [process for process in family if process.is_running()]
    assert not Path(state).exists()


def test_a_second_interrupt_changes_nothing(shown: "subprocess.Popen[str]") -> None:
    """Whoever is impatient leaves nothing behind either."""
    said(shown, "Starting")
    time.sleep(8)  # in the middle of starting
    family = psutil.Process(shown.pid).children(recursive=True)
    for _ in range(3):
        os.kill(shown.pid, signal.SIGINT)
        time.sleep(0.3)
    shown.wait(60)
    assert not [process for process in family if process.is_running()]

"""`make airflow`: Airflow on the example's DAG, with windows still to do, until Ctrl-C."""

import json
import secrets
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from scripts.local_airflow import ROOT, LocalAirflow, end_on_signals, environment, free_port

EXAMPLE = ROOT / "examples" / "flights" / "pipeline.yml"
FAVOURITE_PORT = 8080

READY = """
  Airflow:    {address}/dags/data_pipeline_main
  user:       admin
  password:   {password}

The DAG is on: its first run moves the oldest window, and each press of Trigger the next one.
What the control table says of them, in another terminal:

  PIPELINE_STATE_DIR={state} .venv/bin/pipeline status --config {config}

Logs are in {home}. Ctrl-C ends everything and takes that folder away.
"""


def airflow_in(folder: Path, password: str) -> LocalAirflow:
    """An Airflow of its own under `folder`, with one user."""
    home = folder / "airflow"
    home.mkdir()
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({"admin": password}))
    variables = environment(
        home,
        ROOT / "dags",
        free_port(FAVOURITE_PORT),
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(passwords),
        PIPELINE_CONFIG=str(EXAMPLE),
        PIPELINE_STATE_DIR=str(folder / "state"),
    )
    return LocalAirflow(home, variables)


def through_the_night(airflow: LocalAirflow) -> None:
    """Finish the first windows, which are empty, so that the DAG's first run has rows to move."""
    command = [
        "pipeline",
        "backfill",
        "--from",
        "2013-03-08",
        "--to",
        "2013-03-08T06:00",
        "--config",
        str(EXAMPLE),
    ]
    subprocess.run(
        command, env=airflow.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )


def show(folder: Path) -> None:
    """Start, say where it is, wait; whatever happens, nothing is left behind."""
    password = secrets.token_urlsafe(9)
    (folder / "state").mkdir()
    with airflow_in(folder, password) as airflow:
        print("Starting Airflow ...", flush=True)
        through_the_night(airflow)
        airflow.start()
        airflow.begin("triggerer")  # nothing waits for it, but its absence shows red on the page
        about = {"state": folder / "state", "config": EXAMPLE.relative_to(ROOT), "home": airflow.home}
        print(READY.format(address=airflow.address, password=password, **about), flush=True)
        signal.pause()


if __name__ == "__main__":
    end_on_signals()
    (ROOT / "var").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="airflow-", dir=ROOT / "var") as folder,
        suppress(KeyboardInterrupt),
    ):
        show(Path(folder))
    print("\nAirflow has ended.")

"""What tests ask of a running Airflow: runs, their states, logs and XComs, over its REST API."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

TASKS = (
    "load_final_config",
    "store_and_validate",
    "pre_validation",
    "source_to_stage",
    "stage_to_target",
    "audit",
    "cleanup_stale_locks",
)


def until(fact: Callable[[], Any], what: str, seconds: float = 240, pause: float = 0.4) -> Any:
    """The first true answer of `fact`; an AssertionError naming `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = fact()
        if answer:
            return answer
        time.sleep(pause)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} seconds")


@dataclass(frozen=True)
class Run:
    """One DAG run."""

    client: httpx.Client
    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        """Of this run in the API."""
        return f"/api/v2/dags/{self.dag_id}/dagRuns/{self.run_id}"

    @property
    def state(self) -> str:
        """Of the run, now."""
        return str(asked(self.client, self.path)["state"])

    def ended(self) -> str:
        """The state in which the run ended, once it has."""
        until(lambda: self.state in ("success", "failed"), f"the end of {self.run_id}")
        return self.state

    def tasks(self) -> dict[str, str]:
        """State of every task, in the DAG's order; 3.1 gives none after a timeout."""
        found = asked(self.client, f"{self.path}/taskInstances")["task_instances"]
        states = {task["task_id"]: task["state"] for task in found}
        return {name: states[name] or "skipped" for name in TASKS}

    def tries(self, task: str) -> int:
        """How often a task was tried."""
        return int(asked(self.client, f"{self.path}/taskInstances/{task}")["try_number"])

    def log(self, task: str, attempt: int = 1) -> str:
        """What a task logged in one of its tries."""
        reply = self.client.get(f"{self.path}/taskInstances/{task}/logs/{attempt}")
        return reply.raise_for_status().text

    def lines(self, task: str) -> list[dict[str, Any]]:
        """The same, each line with the facts that it carries."""
        return list(asked(self.client, f"{self.path}/taskInstances/{task}/logs/1")["content"])

    def xcom(self, task: str) -> Any:
        """What a task returned."""
        return asked(self.client, f"{self.path}/taskInstances/{task}/xcomEntries/return_value")["value"]

    def clear(self) -> None:
        """As a person does in the page: every task again."""
        self.client.post(f"{self.path}/clear", json={"dry_run": False}).raise_for_status()

    def clear_from(self, task: str) -> None:
        """As a person does in the page: this task and those behind it."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "task_ids": [task],
            "include_downstream": True,
            "only_failed": False,
        }
        self.client.post(f"/api/v2/dags/{self.dag_id}/clearTaskInstances", json=body).raise_for_status()

    def mark_failed(self) -> None:
        """As a person does in the page."""
        self.client.patch(self.path, json={"state": "failed"}).raise_for_status()


@dataclass(frozen=True)
class RealAirflow:
    """A scheduler, a dag-processor and an API server at work on the DAG files in `dags`.

    `control`: address of a migrated control database on PostgreSQL.
    """

    client: httpx.Client
    dags: Path = Path()
    control: str = ""

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        """Start a run by hand, with these parameters."""
        until(lambda: self.knows(dag_id), f"the parsing of {dag_id}")
        run_id = f"test__{secrets.token_hex(6)}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).raise_for_status()
        return Run(self.client, dag_id, run_id)

    def first_tick(self, dag_id: str) -> Run:
        """The run that the scheduler starts by itself as soon as the DAG is there."""
        until(lambda: self.knows(dag_id), f"the parsing of {dag_id}")
        path = f"/api/v2/dags/{dag_id}/dagRuns?run_type=scheduled"
        until(lambda: asked(self.client, path)["dag_runs"], f"a scheduled run of {dag_id}")
        return Run(self.client, dag_id, asked(self.client, path)["dag_runs"][0]["dag_run_id"])

    def pool(self, name: str, slots: int) -> None:
        """A pool with so many slots, made when it is new."""
        path, made = "/api/v2/pools", {"name": name, "slots": slots}
        if self.client.post(path, json=made).is_error:
            changed = {"pool": name, "slots": slots, "include_deferred": False}
            self.client.patch(f"{path}/{name}", json=changed).raise_for_status()

    def keep_connection(self, name: str, url: str) -> None:
        """Put a PostgreSQL address into Airflow's connections."""
        parts = httpx.URL(url)
        body = {
            "connection_id": name,
            "conn_type": "postgres",
            "host": parts.host,
            "port": parts.port,
            "login": parts.username,
            "password": parts.password,
            "schema": parts.path.lstrip("/"),
        }
        if self.client.patch(f"/api/v2/connections/{name}", json=body).is_error:
            self.client.post("/api/v2/connections", json=body).raise_for_status()

    def broken(self, file: Path) -> bool:
        """Whether the page shows an import error of that file."""
        return any(error["filename"] == file.name for error in self.import_errors())

    def refuses(self, dag_id: str) -> bool:
        """Whether a run of this DAG cannot be started."""
        body = {"dag_run_id": f"refused__{secrets.token_hex(6)}", "logical_date": None}
        return self.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).is_error

    def knows(self, dag_id: str) -> bool:
        """Whether the DAG was parsed."""
        return self.client.get(f"/api/v2/dags/{dag_id}").status_code == 200

    def import_errors(self) -> list[dict[str, Any]]:
        """What the page shows of files that could not be read."""
        return list(asked(self.client, "/api/v2/importErrors")["import_errors"])


def asked(client: httpx.Client, path: str) -> Any:
    """The JSON answer of the API."""
    return client.get(path).raise_for_status().json()

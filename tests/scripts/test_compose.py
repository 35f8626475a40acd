"""docker-compose.yml, as far as it can be tried without Docker; its syntax is Docker's own affair."""

from pathlib import Path

import pytest
import yaml

from pipeline_framework.config import load_final_config

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_every_system_is_there() -> None:
    """PostgreSQL, Airflow's parts, Elasticsearch and an S3 store."""
    airflow = {"migrate", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert set(COMPOSE["services"]) == airflow | {"postgres", "elasticsearch", "s3"}


def test_nothing_listens_beyond_this_machine() -> None:
    """The passwords are written in the file, so ports are loopback's alone."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_files_that_are_mounted_or_copied_exist() -> None:
    """Paths of the compose file and of the Dockerfile."""
    mounts = COMPOSE["services"]["postgres"]["volumes"][1].split(":")[0]
    copied = [
        line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY")
    ]
    assert all((ROOT / path).exists() for path in [mounts, *copied])


def test_its_pipeline_finds_the_control_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the compose file are those that its configuration asks for."""
    for name, value in COMPOSE["services"]["scheduler"]["environment"].items():
        if name.startswith("PIPELINE_CONN"):
            monkeypatch.setenv(name, value)
    config = load_final_config(ROOT / "compose" / "pipeline.yml")
    assert config.control_url == "postgresql://pipeline:pipeline@postgres/pipeline"

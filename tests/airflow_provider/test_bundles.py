"""Pipeline files in a bundle's version, whose folder Airflow takes away later."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_framework.airflow_provider import bundles
from pipeline_framework.airflow_provider.dag import build_dag
from pipeline_framework.config import load_final_config
from pipeline_framework.errors import Misuse
from pipeline_framework.pipeline import streamed
from tests.airflow_provider.scenario import make


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a bundle's version."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))
    bundles.storage.cache_clear()
    yield tmp_path / "bundles" / "ours" / "versions" / "0f3a"
    bundles.storage.cache_clear()


def test_nothing_is_kept_in_a_version(version: Path) -> None:
    """The control table would be gone with the next commit: an import error names file, line and remedy."""
    file = make(version / "flights").file
    with pytest.raises(Misuse, match=r"pipeline\.yml:\d+: control\.url: .*Set PIPELINE_STATE_DIR"):
        build_dag(file)


def test_a_stage_and_a_target_are_not_kept_there_either(
    version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which keys are paths is known to the connector, so a task says it, before it locks a window."""
    file = make(version / "flights", control={"url": f"sqlite:///{tmp_path}/control.db"}).file
    with pytest.raises(Misuse, match=r"pipeline\.yml:\d+: stage\.path: .*Set PIPELINE_STATE_DIR"):
        streamed(bundles.read(file))
    monkeypatch.setenv("PIPELINE_STATE_DIR", str(tmp_path / "state"))
    transfer = streamed(bundles.read(file))
    assert dataclasses.asdict(transfer)["stage"]["path"] == str(tmp_path / "state" / "stage")
    assert dataclasses.asdict(transfer)["source"]["path"].startswith(str(version))


def test_a_local_folder_of_dags_keeps_what_it_has(tmp_path: Path) -> None:
    """It stays where it is, and so does what lies beside the file."""
    file = make(tmp_path / "flights").file
    assert bundles.read(file) == load_final_config(file)

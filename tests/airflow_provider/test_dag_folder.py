"""Every pipeline file of a folder as a DAG."""

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from pipeline_framework.airflow_provider import compat, dag_folder
from pipeline_framework.airflow_provider.dag_folder import build_dags
from pipeline_framework.errors import Misuse
from scripts.local_airflow import ROOT
from tests.airflow_provider.scenario import make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pipelines, their files beside each other."""
    for name in ("arrivals", "departures"):
        (tmp_path / f"{name}.yml").write_text(make(tmp_path / name).file.read_text())
    return tmp_path


@pytest.fixture
def built(folder: Path) -> Callable[..., dict[str, DAG]]:
    """What a DAG file in that folder gets, by the names of its globals."""

    def build(files: str = "", **arguments: Any) -> dict[str, DAG]:
        namespace: dict[str, Any] = {"__file__": str(folder / "dags.py")}
        build_dags(namespace, files or str(folder), **arguments)
        return {name: dag for name, dag in namespace.items() if isinstance(dag, DAG)}

    return build


@pytest.mark.parametrize("files", [".", "*.yml", "*/pipeline.yml", "**/pipeline.yml"])
def test_each_file_is_a_dag(files: str, built: Callable[..., dict[str, DAG]]) -> None:
    """A folder or a pattern, beginning where the DAG file is; arguments hold for all of them."""
    dags = built(files, max_active_runs=2)
    assert {dag.dag_id for dag in dags.values()} == {"data_pipeline_arrivals", "data_pipeline_departures"}
    assert {dag.max_active_runs for dag in dags.values()} == {2}


def test_one_file_is_one_dag(built: Callable[..., dict[str, DAG]]) -> None:
    """Which is its simplest use."""
    assert list(built("arrivals.yml")) == ["data_pipeline_arrivals"]


def test_no_file_is_a_mistake(built: Callable[..., dict[str, DAG]]) -> None:
    """Rather than no DAG: a folder that was renamed would take all of them away without a word."""
    with pytest.raises(Misuse, match=r"nothing/\*\.yml: there is no pipeline file"):
        built("nothing/*.yml")


def test_a_mistake_leaves_the_other_dags_alone(folder: Path, built: Callable[..., dict[str, DAG]]) -> None:
    """Its file has a DAG that says where it is, is never scheduled and fails with the mistake when run."""
    file = folder / "arrivals.yml"
    file.write_text(file.read_text().replace("granularity", "granularty"))
    dags = built()
    told = dags.pop(dag_folder.broken_id(file))
    assert list(dags) == ["data_pipeline_departures"]
    assert "arrivals.yml:3: granularty: Unknown key. Did you mean 'granularity'?" in str(told.doc_md)
    assert (str(told.schedule), told.tags) == ("None", {"broken"})
    with pytest.raises(compat.AirflowFailException, match=r"arrivals\.yml:3: granularty"):
        told.get_task("mend").execute({})  # type: ignore[union-attr]  # it is not mapped


def test_a_dag_id_is_given_once(folder: Path, built: Callable[..., dict[str, DAG]]) -> None:
    """The first file keeps it, the second says who has it."""
    (folder / "zulu.yml").write_text((folder / "arrivals.yml").read_text())
    dags = built()
    told = dags[dag_folder.broken_id(folder / "zulu.yml")]
    assert "arrivals.yml has taken the DAG id data_pipeline_arrivals" in str(told.doc_md)
    assert "data_pipeline_arrivals" in dags


def test_a_task_builds_its_own_dag_alone(
    built: Callable[..., dict[str, DAG]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow names it: the others of the folder cost the task nothing but the reading of their files."""
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "data_pipeline_departures")
    assert list(built()) == ["data_pipeline_departures"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("arrivals.yml", ["data_pipeline_main"]),
        ("", ["data_pipeline_arrivals", "data_pipeline_departures"]),
        ("*/pipeline.yml", ["data_pipeline_arrivals", "data_pipeline_departures"]),
    ],
)
def test_the_shipped_file_takes_a_file_a_folder_or_a_pattern(
    named: str, expected: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PIPELINE_CONFIG says which; one file is data_pipeline_main."""
    monkeypatch.setenv("PIPELINE_CONFIG", os.path.join(folder, named))  # noqa: PTH118 keeps the pattern
    namespace = runpy.run_path(str(ROOT / "dags" / "data_pipeline_main.py"))
    assert sorted(each.dag_id for each in namespace.values() if isinstance(each, DAG)) == expected

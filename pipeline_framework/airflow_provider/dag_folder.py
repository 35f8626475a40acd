"""Every pipeline file of a folder as a DAG, from one DAG file."""

import glob
import logging
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_parsing_context

from pipeline_framework.airflow_provider import bundles, compat
from pipeline_framework.airflow_provider.dag import dag_of
from pipeline_framework.airflow_provider.dag_arguments import dag_id_of
from pipeline_framework.airflow_provider.operators import PipelineTask
from pipeline_framework.errors import Misuse

log = logging.getLogger(__name__)
ENDINGS = (".yml", ".yaml")
BROKEN = "broken"


def build_dags(namespace: MutableMapping[str, Any], files: str | Path, **arguments: Any) -> None:
    """Put the DAG of each pipeline file into `namespace`, the `globals()` of the DAG file that calls this.

    `files`: one file, a folder (its *.yml and *.yaml, not those of folders inside) or a pattern
    (`*/pipeline.yml`, `**` for any depth), relative to the folder of the DAG file. `arguments` are those of
    airflow.sdk.DAG. Raises `Misuse` where there is no file.

    A mistake, a DAG id that another file has taken among them, does not keep the other DAGs from being
    there: its file becomes a DAG tagged `broken` that says what to mend and does nothing else. An import
    error would belong to the DAG file as a whole, and Airflow takes every DAG of such a file off.
    """
    taken: dict[str, Path] = {}
    wanted = get_parsing_context().dag_id  # in a task only this one is needed
    for file in found(Path(namespace.get("__file__", ".")).parent, str(files)):
        dag = one_dag(file, taken, wanted, arguments)
        if dag:
            namespace[dag.dag_id] = dag


def found(folder: Path, files: str) -> list[Path]:
    """The pipeline files that are meant, in the order of their names."""
    place = os.path.normpath(folder / files)
    if Path(place).is_dir():
        names = [str(path) for path in Path(place).iterdir() if path.suffix in ENDINGS]
    else:
        names = glob.glob(place, recursive=True)  # noqa: PTH207 Path.glob takes no absolute pattern
    if not names:
        raise Misuse(f"{place}: there is no pipeline file. Name a file, a folder of *.yml or a pattern.")
    return [Path(name) for name in sorted(names)]


def one_dag(file: Path, taken: dict[str, Path], wanted: str | None, arguments: dict[str, Any]) -> DAG | None:
    """The DAG of a file, or the one that tells its mistake; None when another one is `wanted`."""
    try:
        config = bundles.read(file)
        dag_id = dag_id_of(config)
        first = taken.setdefault(dag_id, file)
        if first != file:
            raise config.misuse(
                ("dag_id",), f"{first} has taken the DAG id {dag_id}. Give one of them another `dag_id`."
            )
        return dag_of(config, **arguments) if wanted in (None, dag_id) else None
    except Misuse as error:
        return broken(file, str(error)) if wanted in (None, broken_id(file)) else None


def broken_id(file: Path) -> str:
    """The DAG id that stands for a file with mistakes: `broken_` and the end of its path."""
    ending = "_".join(file.absolute().parts[-3:])
    return f"{BROKEN}_{''.join(each if each.isalnum() else '_' for each in ending)}"[-250:]


def broken(file: Path, mistakes: str) -> DAG:
    """A DAG that is never scheduled, whose page tells the mistakes and whose task fails with them."""
    log.error("%s", mistakes)
    with DAG(broken_id(file), schedule=None, tags=[BROKEN], doc_md=f"```\n{mistakes}\n```") as dag:
        PipelineTask(task_id="mend", work=mend, given=(mistakes,))
    return dag


def mend(mistakes: str) -> None:
    """Say what is wrong with the pipeline file."""
    raise compat.AirflowFailException(mistakes)

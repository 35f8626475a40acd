"""DAG bundles: folders that Airflow makes for a version of the DAGs, and takes away later."""

from functools import cache
from pathlib import Path

from airflow.dag_processing.bundles.base import get_bundle_storage_root_path

from pipeline_framework.config import FinalConfig, load_final_config


def read(file: str | Path) -> FinalConfig:
    """The configuration; in a bundle's version nothing that the pipeline writes may lie beside the file.

    Every bundle that copies (Git, S3, GCS) keeps its versions below one folder,
    `[dag_processor] dag_bundle_storage_path`; a local folder of DAGs lies where it is.
    """
    config = load_final_config(file)
    if not config.file.resolve().is_relative_to(storage()):
        return config
    fleeting = config.in_fleeting_folder()
    if not config.control.conn_id:  # a connection is looked up in tasks alone
        _ = fleeting.control_found
    return fleeting


@cache
def storage() -> Path:
    """The folder of all versions, as Airflow was configured when this process began."""
    root: Path = get_bundle_storage_root_path().resolve()  # type: ignore[no-untyped-call]
    return root

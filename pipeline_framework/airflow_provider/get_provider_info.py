"""What `airflow providers list` shows of this package."""

from importlib.metadata import metadata
from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Name and description, by the keys of Airflow's provider_info.schema.json."""
    package = metadata("pipeline-framework")
    return {
        "package-name": package["Name"],
        "name": "Pipeline framework",
        "description": package["Summary"],
        "versions": [package["Version"]],
    }

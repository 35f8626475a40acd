"""What Airflow imports as it starts, so that its tasks find it there."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec

from pipeline_framework.airflow_provider.plugin import PipelinePlugin
from scripts.local_airflow import ROOT

LOADED = """
import os, sys
import airflow.plugins_manager
before = set(sys.modules)
import pipeline_framework.airflow_provider.plugin
print(len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1)
print(*before)
print(*sys.modules)
"""


def imported_by_tasks() -> Iterator[str]:
    """Every module of ours that a task imports, at its beginning or as it runs."""
    for node in ast.walk(ast.parse((ROOT / "pipeline_framework/airflow_provider/tasks.py").read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("pipeline_framework"):
            yield str(node.module)
            yield from filter(is_module, (f"{node.module}.{each.name}" for each in node.names))


def is_module(name: str) -> bool:
    """Whether it is one, and no function of its package's."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_tasks_find_everything_imported() -> None:
    """No task imports a module of ours anew; pyarrow, drivers and threads are left to those that need."""
    command = [sys.executable, "-c", LOADED]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    threads, before, after = (set(line.split()) for line in said[-3:])
    assert set(imported_by_tasks()) - after == set()
    assert (after - before) & {"pyarrow", "duckdb", "psycopg2", "implementations"} == set()
    assert threads == {"1"}


def test_airflow_knows_the_plugin() -> None:
    """By the entry point that its scheduler and workers read."""
    found = {point.name: point.load() for point in entry_points(group="airflow.plugins")}
    assert found["pipeline_framework"] is PipelinePlugin

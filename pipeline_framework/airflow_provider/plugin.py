"""What Airflow imports as it starts: a task is a fork of a process that did, and finds all of it there.

Scheduler and Celery workers load plugins before they fork. Where each task is a process of its own, as on
Kubernetes, nothing is saved and nothing lost. Drivers and pyarrow are left to the tasks that use them: a
process with threads should not be forked.
"""

from importlib import import_module

from airflow.plugins_manager import AirflowPlugin

USED_BY_TASKS = (
    "pipeline_framework.airflow_provider.dag_folder",
    "pipeline_framework.airflow_provider.runs",
    "pipeline_framework.operations.run",
    "pipeline_framework.telemetry.lines",
)

for part in USED_BY_TASKS:
    import_module(part)


class PipelinePlugin(AirflowPlugin):
    """Shows itself on Airflow's page of plugins."""

    name = "pipeline_framework"

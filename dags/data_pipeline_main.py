"""The DAG `data_pipeline_main`: the pipeline that PIPELINE_CONFIG names, or else the example.

For a pipeline of your own copy this file and give `build_dag` your configuration: one DAG per file.
"""

import os
from pathlib import Path

from pipeline_framework.airflow_provider.dag import build_dag

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "flights" / "pipeline.yml"

dag = build_dag(os.environ.get("PIPELINE_CONFIG") or EXAMPLE, dag_id="data_pipeline_main")

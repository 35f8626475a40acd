"""The DAG `data_pipeline_main`: the pipeline that PIPELINE_CONFIG names, or else the example.

For a pipeline of your own copy this file beside your configuration, one DAG file for each:

    dag = build_dag("pipeline.yml")
"""

import os
from pathlib import Path

from pipeline_framework.airflow_provider.dag import build_dag

EXAMPLE = "../examples/flights/pipeline.yml"

file = Path(os.environ["PIPELINE_CONFIG"]).absolute() if "PIPELINE_CONFIG" in os.environ else EXAMPLE
dag = build_dag(file, dag_id="data_pipeline_main")

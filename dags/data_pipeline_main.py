"""The DAG `data_pipeline_main`: the pipeline that PIPELINE_CONFIG names, or else the example.

PIPELINE_CONFIG may also be a folder or a pattern such as `/pipelines/*/pipeline.yml`: then each file there
has a DAG, named as the file says. For a pipeline of your own copy this file beside your configuration:

    dag = build_dag("pipeline.yml")           # one pipeline
    build_dags(globals(), "pipelines")        # each of a folder
"""

import os
from pathlib import Path

from pipeline_framework.airflow_provider.dag import build_dag
from pipeline_framework.airflow_provider.dag_folder import build_dags

EXAMPLE = Path(__file__).parent / "../examples/flights/pipeline.yml"

named = Path(os.environ.get("PIPELINE_CONFIG") or EXAMPLE).absolute()
if named.is_file():
    dag = build_dag(named, dag_id="data_pipeline_main")
else:
    build_dags(globals(), named)

"""The framework inside Airflow 3.1 to 3.3: the only room that imports it. Start with `dag.build_dag`."""

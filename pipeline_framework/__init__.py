"""Windowed batch pipelines on Apache Airflow: nothing lost, nothing doubled, every hole found."""

__version__ = "0.1.0"

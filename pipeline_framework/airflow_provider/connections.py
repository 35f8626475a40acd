"""Connections that Airflow keeps, for `conn_id` in a configuration, and passwords kept out of its logs."""

from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from pipeline_framework.airflow_provider.compat import AirflowNotFoundException
from pipeline_framework.config import FinalConfig, connections
from pipeline_framework.config.secrets import blots


def use_airflow_connections() -> None:
    """Let `conn_id` be looked up, after the environment, in Airflow's secrets backend and its database."""
    connections.register("Airflow", address)


def address(conn_id: str) -> str | None:
    """The connection as an address with its password; None when Airflow does not know it."""
    try:
        return str(BaseHook.get_connection(conn_id).get_uri())
    except AirflowNotFoundException:
        return None


def keep_secret(config: FinalConfig) -> None:
    """Have every secret of the configuration replaced by stars wherever this task logs it."""
    for text in (*blots(dict(config)), urlsplit(config.control_url).password):
        if text:
            mask_secret(text)

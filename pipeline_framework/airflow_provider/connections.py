"""Connections that Airflow keeps, for `conn_id` in a configuration, and passwords kept out of its logs."""

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit

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
    """Have every secret of the configuration replaced by stars wherever this task logs it.

    Of an address also its password alone, as it stands there and as it is typed: a driver may say either.
    """
    for text in (*blots(dict(config)), config.control_url):
        for secret in (text, *passwords(text)):
            mask_secret(secret)


def passwords(text: str) -> Iterator[str]:
    """The password inside an address, encoded and decoded; nothing of other texts."""
    with suppress(ValueError):  # a secret need not be an address
        inside = urlsplit(text).password
        if inside:
            yield from {inside, unquote(inside)}

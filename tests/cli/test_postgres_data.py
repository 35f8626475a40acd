"""Rows into PostgreSQL and out of it again, by the command line."""

import os
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Flights

pytestmark = pytest.mark.services
DUCKDB = "{type: duckdb, path: warehouse.duckdb, table: flights, time_field: time_hour}"
POSTGRES = "{type: postgres, conn_id: warehouse, table: flights, time_field: time_hour}"


@pytest.fixture
def there(flights: Flights, fresh_postgres: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Flights:
    """The flights, bound for a database that only the environment knows."""
    monkeypatch.setenv("PIPELINE_CONN_WAREHOUSE", fresh_postgres())
    flights.change(DUCKDB, POSTGRES)
    flights.change("granularity: 2h", "granularity: 1d")
    return flights


def test_there_and_back(there: Flights) -> None:
    """Files to PostgreSQL, PostgreSQL to DuckDB: every row once, and every window proven by five counts."""
    there("run", "--until-caught-up")
    assert there("status", "--format", "json").json["counts"]["COMPLETED"] == 3
    there.change("pipeline_id: flights", "pipeline_id: back")
    there.change('{type: files, path: "data/*.parquet", time_field: time_hour}', POSTGRES)
    there.change(f"target: {POSTGRES}", f"target: {DUCKDB}")
    there("run", "--until-caught-up")
    assert there("status", "--format", "json").json["counts"]["COMPLETED"] == 3
    assert there.target() == there.rows()


def test_check_names_server_and_table(there: Flights) -> None:
    """Before the first load and after it."""
    answer = there("check")
    assert (answer.code, "public.flights will be made" in answer.out) == (0, True)
    there("run")
    assert "public.flights is there" in there("check").out


def test_a_wrong_password_is_never_shown(there: Flights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by check nor by a run that fails, and nobody is told to try again."""
    wrong = secrets.token_hex(8)
    url = urlsplit(os.environ["PIPELINE_CONN_WAREHOUSE"])
    netloc = f"{url.username}:{wrong}@{url.hostname}:{url.port}"
    monkeypatch.setenv("PIPELINE_CONN_WAREHOUSE", url._replace(netloc=netloc).geturl())
    for words in (("check",), ("run",)):
        answer = there(*words)
        assert answer.code != 0
        assert "refuses the login" in answer.out + answer.err
        assert wrong not in answer.out + answer.err

"""The control database by address or by name of a connection."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.config import FinalConfig, connections
from pipeline_framework.errors import Misuse

Load = Callable[..., FinalConfig]
NAMED = (
    "{pipeline_id: a, granularity: 1h, start: 2024-01-01, implementation: m, control: {conn_id: flights-db}}"
)


@pytest.fixture
def resolver() -> Iterator[Callable[[str, connections.Resolver], None]]:
    """Registers resolvers for the length of a test."""
    before = dict(connections._resolvers)
    yield connections.register
    connections._resolvers.clear()
    connections._resolvers.update(before)


def test_an_unknown_connection_says_what_to_export(load: Load, tmp_path: Path) -> None:
    """The configuration loads; only the one who connects needs the address."""
    config = load(NAMED)
    with pytest.raises(Misuse) as caught:
        _ = config.control_url
    assert str(caught.value) == (
        f"{tmp_path}/pipeline.yml:1: control.conn_id: No connection 'flights-db' is known. "
        "Export PIPELINE_CONN_FLIGHTS_DB=postgresql://user:password@host/database."
    )


def test_ours_comes_before_that_of_airflow(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """PIPELINE_CONN_ID, then AIRFLOW_CONN_ID; an empty one does not count."""
    config = load(NAMED)
    monkeypatch.setenv("AIRFLOW_CONN_FLIGHTS-DB", "postgres://u:pw@airflow/d")
    assert config.control_url == "postgresql://u:pw@airflow/d"
    monkeypatch.setenv("PIPELINE_CONN_FLIGHTS_DB", "")
    assert config.control_found.by == "AIRFLOW_CONN_FLIGHTS-DB"
    monkeypatch.setenv("PIPELINE_CONN_FLIGHTS_DB", "postgresql://u:pw@ours/d")
    assert (config.control_url, config.control_found.by) == (
        "postgresql://u:pw@ours/d",
        "PIPELINE_CONN_FLIGHTS_DB",
    )


def test_a_password_may_change_between_two_looks(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept."""
    config = load(NAMED)
    for password in ("first", "second"):
        monkeypatch.setenv("PIPELINE_CONN_FLIGHTS_DB", f"postgresql://u:{password}@h/d")
        assert password in config.control_url


def test_resolvers_are_asked_after_the_environment(
    load: Load, monkeypatch: pytest.MonkeyPatch, resolver: Callable[[str, connections.Resolver], None]
) -> None:
    """In the order in which they came; the same name again replaces the earlier one."""
    resolver("vault", lambda _: None)
    resolver("airflow", lambda conn_id: f"postgres://u@{conn_id}/old")
    resolver("airflow", lambda conn_id: f"postgres://u@{conn_id}/d")
    config = load(NAMED)
    assert (config.control_url, config.control_found.by) == ("postgresql://u@flights-db/d", "airflow")
    monkeypatch.setenv("PIPELINE_CONN_FLIGHTS_DB", "postgresql://u@ours/d")
    assert config.control_found.by == "PIPELINE_CONN_FLIGHTS_DB"


def test_a_named_sqlite_file_lies_in_the_state_folder(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rule as for control.url."""
    monkeypatch.setenv("PIPELINE_CONN_FLIGHTS_DB", "sqlite:///control.db")
    assert load(NAMED).control_url == f"sqlite:///{tmp_path}/control.db"


def test_a_bad_connection_is_told_without_its_password(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kind and key are named, the rest is not."""
    monkeypatch.setenv("PIPELINE_CONN_FLIGHTS_DB", "mysql://u:hunter22@h/d")
    with pytest.raises(Misuse, match="of kind 'mysql' cannot be used") as caught:
        _ = load(NAMED).control_url
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("postgres://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("postgres://u:p@h/d?__extra__=%7B%7D", "postgresql://u:p@h/d"),
        ("postgres://u:p@h/d?__extra__=%7B%7D&sslmode=require", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p@h/d?sslmode=require&__extra__=%7B%7D", "postgresql://u:p@h/d?sslmode=require"),
        ("sqlite:///control.db", "sqlite:///control.db"),
        ("sqlite:////var/control.db", "sqlite:////var/control.db"),
        ("sqlite://%2Fvar%2Fcontrol.db", "sqlite:////var/control.db"),
        (" sqlite:///a.db\n", "sqlite:///a.db"),
        (json.dumps({"conn_type": "sqlite", "host": "/var/c.db"}), "sqlite:////var/c.db"),
        (
            json.dumps(
                {
                    "conn_type": "postgres",
                    "login": "u",
                    "password": "p/@:",
                    "host": "h",
                    "port": 5432,
                    "schema": "d",
                }
            ),
            "postgresql://u:p%2F%40%3A@h:5432/d",
        ),
        (
            json.dumps(
                {"conn_type": "postgres", "host": "h", "extra": {"sslmode": "require", "cursor": "dict"}}
            ),
            "postgresql://h/?sslmode=require",
        ),
        (
            json.dumps(
                {
                    "conn_type": "postgres",
                    "login": "u",
                    "host": "h",
                    "schema": "d",
                    "extra": '{"sslmode": "x"}',
                }
            ),
            "postgresql://u@h/d?sslmode=x",
        ),
    ],
)
def test_connections_of_airflow_become_addresses(written: str, address: str) -> None:
    """An address or JSON, as Airflow keeps them; of its extras only what the database driver knows."""
    assert connections.database_url(written) == address


@pytest.mark.parametrize(
    "written", ["{", "{}", '{"conn_type": "postgres"}', "[]", '{"conn_type": []}', '{"extra": 1}']
)
def test_what_is_no_connection_is_refused(written: str) -> None:
    """Half a connection is a sentence."""
    with pytest.raises(ValueError, match=r"connection|database"):
        connections.database_url(written)


def refusal(written: str) -> str:
    """What is said about an address; nothing when it is good."""
    try:
        connections.placed(connections.database_url(written), Path("/"))
    except ValueError as error:
        return str(error)
    return ""


@given(st.text())
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    """Nothing but ValueError, and never the text itself in it."""
    secret = f"hunter22{text}"
    for written in (
        text,
        f"postgresql://u:{secret}@h/d",
        f"mysql://u:{secret}@h/d",
        f'{{"password": "{secret}"',
    ):
        assert "hunter22" not in refusal(written)

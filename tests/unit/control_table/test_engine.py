"""Which addresses a control database may have, and how they are shown."""

from pathlib import Path

import pytest

from pipeline_framework.control_table import Database
from pipeline_framework.control_table.database import engine
from pipeline_framework.errors import Misuse


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "not the address of a database"),
        ("postgresql://me@host:port/x", "not the address of a database"),
        ("mysql://me@host/x", "names mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////nowhere/at/all/x.db", "folder /nowhere/at/all does not exist"),
        ("postgresql+nodriver://me@host/x", "cannot be used"),
    ],
)
def test_address_that_cannot_be_is_one_sentence(url: str, words: str) -> None:
    """What is wrong and what to write instead, before anything is connected."""
    with pytest.raises(Misuse, match=words) as told:
        Database(url)
    assert "control.url" in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hunter2@h:1/x", "postgresql://me:***@h:1/x"),
        ("postgres://me:hunter2@h/x", "postgresql://me:***@h/x"),
        ("postgresql+psycopg://me:hunter2@h/x?sslmode=require", "postgresql://me:***@h/x?sslmode=require"),
        ("postgresql://h/x?user=me&password=hunter2", "postgresql://h/x?user=me"),
    ],
)
def test_password_is_never_shown(url: str, shown: str) -> None:
    """Not in the URL that messages use, wherever the password stands."""
    with Database(url) as database:
        assert database.safe_url == shown
        assert "hunter2" not in repr(database)


def test_psycopg2_is_the_driver_unless_another_is_named() -> None:
    """SQLAlchemy's own choice may change."""
    assert engine.parsed("postgresql://h/x").drivername == "postgresql+psycopg2"
    assert engine.parsed("postgres://h/x").drivername == "postgresql+psycopg2"
    assert engine.parsed("postgresql+psycopg://h/x").drivername == "postgresql+psycopg"


def test_limits_of_the_url_go_first() -> None:
    """Whoever sets connect_timeout in the URL gets it."""
    assert "connect_timeout" in engine.limits(engine.parsed("postgresql://h/x"))
    assert "connect_timeout" not in engine.limits(engine.parsed("postgresql://h/x?connect_timeout=3"))


def test_psycopg_prepares_only_when_told() -> None:
    """Behind a pooler of transactions a prepared statement is another connection's by the next one."""
    assert engine.limits(engine.parsed("postgresql+psycopg://h/x"))["prepare_threshold"] is None
    assert (
        engine.limits(engine.parsed("postgresql+psycopg://h/x?prepare_threshold=3"))["prepare_threshold"] == 3
    )
    assert "prepare_threshold" not in engine.limits(engine.parsed("postgresql://h/x"))


def test_old_sqlite_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """STRICT tables need 3.37; the version found is named."""
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))
    with pytest.raises(Misuse, match=r"older than 3\.37"):
        Database(f"sqlite:///{tmp_path}/x.db")

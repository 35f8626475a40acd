"""A migrated control database of either kind, and ways to meddle with it by hand.

On PostgreSQL the tests of moves hold no more than the role pipeline_runner; what is done by hand is done by
the owner. PIPELINE_TEST_SCHEME names another driver as a URL does, PIPELINE_TEST_SCHEMA another schema than
the shipped one (tests/services/schemas.py).
"""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pipeline_framework.control_table import Database, PipelineKey
from pipeline_framework.control_table.database.values import sqlite_value
from pipeline_framework.windows import Window
from tests.services.postgres import databases
from tests.services.roles import user_in
from tests.services.schemas import migrate_as_wanted

SCHEME = os.environ.get("PIPELINE_TEST_SCHEME", "postgresql")
OWNERS: dict[str, Database] = {}  # by the database's name: who does what tests do by hand
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


@pytest.fixture(scope="session")
def postgres_control_url(postgres_server: str) -> Iterator[str]:
    """A migrated database on the test session's PostgreSQL; tests keep apart by their pipeline_id."""
    with (
        databases(postgres_server) as make,
        user_in("pipeline_runner", url := make()) as as_runner,
        Database(url) as owner,
    ):
        migrate_as_wanted(owner)
        OWNERS[url.rpartition("/")[2]] = owner
        yield as_runner.replace("postgresql", SCHEME, 1)


@pytest.fixture(params=BOTH)
def control_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated control database, SQLite and PostgreSQL in turn."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_control_url")
        return url
    url = f"sqlite:///{tmp_path}/control.db"
    with Database(url) as database:
        migrate_as_wanted(database)
    return url


@pytest.fixture(params=BOTH)
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, SQLite and PostgreSQL in turn."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("fresh_postgres")
        return make()
    return f"sqlite:///{tmp_path}/fresh.db"


@pytest.fixture
def control(control_url: str) -> Iterator[Database]:
    """The control database, opened."""
    with Database(control_url) as database:
        yield database


@pytest.fixture
def key() -> PipelineKey:
    """A pipeline that nobody else knows of."""
    return PipelineKey(f"pipeline_{secrets.token_hex(6)}")


def by_hand(database: Database, sql: str, **parameters: object) -> list[dict[str, Any]]:
    """Run SQL of one's own, as the owner of the tables with a database client would."""
    owner = OWNERS.get(str(database._engine.url.database), database)
    with owner._engine.connect() as connection:
        result = connection.execute(text(sql), parameters)
        rows = [dict(row) for row in result.mappings()] if result.returns_rows else []
        connection.commit()
        return rows


def insert(database: Database, key: PipelineKey, window: Window) -> None:
    """Put a window into the table without asking anybody."""
    by_hand(
        database,
        "INSERT INTO pipeline_records "
        "(pipeline_id, target_day, window_start_time, window_end_time, time_interval) "
        "VALUES (:pipeline_id, '2013-03-10', :start, :end, '1h')",
        pipeline_id=key.pipeline_id,
        start=sqlite_value(window.start),
        end=sqlite_value(window.end),
    )


def age_ranges(database: Database, key: PipelineKey) -> None:
    """The same for the leases of all of a pipeline's ranges."""
    past = "'2001-01-01T00:00:00.000000Z'"
    by_hand(
        database,
        f"UPDATE pipeline_ranges SET lease_expires_at = {past} "
        "WHERE pipeline_id = :pipeline_id AND ended_at IS NULL",
        pipeline_id=key.pipeline_id,
    )


def age_leases(database: Database, key: PipelineKey) -> None:
    """Let the leases of all of a pipeline's locks run out, without waiting."""
    past = "'2001-01-01T00:00:00.000000Z'"
    by_hand(
        database,
        f"UPDATE pipeline_records SET lease_expires_at = {past} "
        "WHERE pipeline_id = :pipeline_id AND pipeline_status = 'IN_PROGRESS'",
        pipeline_id=key.pipeline_id,
    )

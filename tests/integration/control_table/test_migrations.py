"""Migrations on real databases: fresh, twice, many at once, and what an old schema is told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline_framework.control_table import Database, PipelineKey, migrations, statements
from pipeline_framework.control_table.migrations import NEEDED, migrate, pending, require_current, status
from pipeline_framework.control_table.record import COLUMNS
from pipeline_framework.errors import SchemaOutdated
from tests.integration.control_table.stories import hour
from tests.services.control import by_hand, insert
from tests.services.postgres import execute
from tests.services.roles import ROLES
from tests.services.schemas import migrate_beyond, shipped

ALL = [file.stem for file in sorted((statements.folder() / "migrations" / "sqlite").glob("*.sql"))]


def test_fresh_database_gets_every_migration_once(fresh_url: str) -> None:
    """The first call applies all of them in order, the second none."""
    with Database(fresh_url) as database:
        assert pending(database) == ALL
        assert migrate(database) == ALL
        assert migrate(database) == []
        assert pending(database) == []


def test_both_dialects_have_the_same_migrations() -> None:
    """A migration exists for both databases, under the same number and name."""
    postgresql = (statements.folder() / "migrations" / "postgresql").glob("*.sql")
    assert [file.stem for file in sorted(postgresql)] == ALL


def test_applied_migrations_are_kept_with_number_name_and_time(fresh_url: str) -> None:
    """Whoever looks sees what ran when."""
    with Database(fresh_url) as database:
        migrate(database)
        rows = by_hand(database, "SELECT number, name, applied_at FROM pipeline_migrations ORDER BY number")
    assert [(row["number"], row["name"]) for row in rows] == [(int(name[:4]), name) for name in ALL]
    assert all(row["applied_at"] for row in rows)


def test_migrated_table_has_the_columns_of_a_record(fresh_url: str) -> None:
    """Record, statements and both migrations name the same columns."""
    with Database(fresh_url) as database:
        migrate(database)
        insert(database, PipelineKey("p"), hour(0))
        rows = by_hand(database, "SELECT * FROM pipeline_records")
    assert tuple(rows[0]) == COLUMNS


def test_many_migrate_at_once(fresh_url: str) -> None:
    """Of eight that start together one applies each, the others wait and find it there."""

    def one(_: int) -> list[str]:
        with Database(fresh_url) as database:
            return migrate(database)

    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(one, range(8)))
    assert sorted(name for names in applied for name in names) == ALL


def test_sqlite_migrates_itself(tmp_path: Path) -> None:
    """The file appears and is current; nobody has to type a command."""
    with Database(f"sqlite:///{tmp_path}/new.db") as database:
        require_current(database, auto_migrate=False)
        assert pending(database) == []


@pytest.mark.services
def test_postgresql_is_migrated_only_when_told(fresh_postgres: Callable[[], str]) -> None:
    """Without `auto_migrate` the message names what is missing and the command; nothing is created."""
    with Database(fresh_postgres()) as database:
        with pytest.raises(SchemaOutdated, match=r"lacks 0001_control_table.*run `pipeline migrate`"):
            require_current(database, auto_migrate=False)
        assert pending(database) == ALL
        require_current(database, auto_migrate=True)
        require_current(database, auto_migrate=False)


@pytest.mark.services
def test_psycopg_3_migrates_and_hands_out_rights(fresh_postgres: Callable[[], str]) -> None:
    """A migration of many statements, and sql/roles.sql, through the other driver."""
    url = fresh_postgres()
    execute(url, ROLES)
    with Database(url.replace("postgresql", "postgresql+psycopg", 1)) as database:
        assert migrate(database) == ALL
        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        assert by_hand(database, owners) == [{"tableowner": "pipeline_owner"}]


def test_missing_table_is_an_outdated_schema(fresh_url: str) -> None:
    """A statement that meets no table says what to do, in one sentence."""
    with Database(fresh_url) as database, pytest.raises(SchemaOutdated, match="run `pipeline migrate`"):
        database.run("record_by_id", id=1)


def test_newer_database_is_left_alone(fresh_url: str) -> None:
    """A release runs on the schema after its own: unknown migrations and columns do not disturb it."""
    with Database(fresh_url) as database:
        migrate_beyond(database)
        require_current(database, auto_migrate=False)
        assert (pending(database), migrate(database)) == ([], [])
        newest = status(database)[-1]
        assert (newest.name, newest.state) == (f"{int(ALL[-1][:4]) + 1:04d}_of_tomorrow", "newer")
        assert database.run("record_by_id", id=1) == []


def up_to(number: int, patch: pytest.MonkeyPatch) -> None:
    """From now on this release has the migrations up to `number` alone."""
    patch.setattr(
        migrations, "_files", lambda dialect: (f for f in shipped(dialect) if int(f.stem[:4]) <= number)
    )


def test_status_tells_what_is_applied_needed_and_due(fresh_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing migration is needed up to the oldest schema that the release runs on, else only due."""
    with Database(fresh_url) as database:
        assert {each.state for each in status(database)} == {"needed", "due"}
        up_to(1, monkeypatch)
        migrate(database)
        monkeypatch.undo()
        first, *others = status(database)
        assert (first.number, first.name, first.state) == (1, ALL[0], "applied")
        assert first.applied_at is not None
        assert abs((first.applied_at - database.now()).total_seconds()) < 60
        wanted = ["needed" if each.number <= NEEDED else "due" for each in others]
        assert [each.state for each in others] == wanted
        assert all(each.applied_at is None for each in others)


@pytest.mark.services
def test_older_schema_runs_down_to_the_one_that_is_needed(
    fresh_postgres: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that is deployed before its migrations runs; one migration too few is refused."""
    with Database(fresh_postgres()) as database:
        up_to(NEEDED - 1, monkeypatch)
        migrate(database)
        monkeypatch.undo()
        with pytest.raises(
            SchemaOutdated, match=f"lacks {', '.join(pending(database))}; run `pipeline migrate`"
        ):
            require_current(database, auto_migrate=False)
        up_to(NEEDED, monkeypatch)
        migrate(database)
        monkeypatch.undo()
        require_current(database, auto_migrate=False)
        assert pending(database) == [name for name in ALL if int(name[:4]) > NEEDED]


def test_every_statement_fits_the_oldest_schema(fresh_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement names a table or column that a migration after `NEEDED` brings."""
    explain = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}
    with Database(fresh_url) as database, database._engine.connect() as connection:
        up_to(NEEDED, monkeypatch)
        migrate(database)
        for statement in statements.load(database.dialect).values():
            told = text(explain[database.dialect] + statement.text)
            connection.execute(told, dict.fromkeys(told.compile().params))


def test_failed_migration_leaves_nothing(
    fresh_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration is one transaction: what its first statements made is gone when a later one fails."""
    for dialect in ("sqlite", "postgresql"):
        folder = tmp_path / "migrations" / dialect
        folder.mkdir(parents=True)
        script = "CREATE TABLE first (a INTEGER); CREATE TABLE first (a INTEGER);"
        (folder / "0001_broken.sql").write_text(script)
    with Database(fresh_url) as database:
        monkeypatch.setattr(statements, "folder", lambda: tmp_path)
        with pytest.raises(Exception, match="already exists"):
            migrate(database)
        assert pending(database) == ["0001_broken"]
        with pytest.raises(Exception, match="first"):
            by_hand(database, "SELECT * FROM first")

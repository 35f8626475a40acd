"""What the three roles of sql/roles.sql may do and may not, on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline_framework.control_table import Database, PipelineKey, events, progress, rights, statements
from pipeline_framework.control_table.migrations import migrate, pending
from pipeline_framework.control_table.states import MOVES, Result
from pipeline_framework.errors import Misuse
from tests.integration.control_table.stories import add_hours, claim
from tests.services.postgres import execute
from tests.services.roles import ROLES, user_in
from tests.services.schemas import migrate_not_quite

pytestmark = pytest.mark.services

DENIED = "permission denied|must be owner"
TRACE = (
    "INSERT INTO pipeline_record_events (record_id, move_name, lock_epoch, changes) VALUES (1, 'x', 1, '{}')"
)


@pytest.fixture
def runner(postgres_control_url: str) -> Iterator[Database]:
    """The control table as its runner sees it."""
    with Database(postgres_control_url) as database:
        yield database


@pytest.fixture
def reader(fresh_postgres: Callable[[], str]) -> Iterator[Database]:
    """A control table with a window in it, as its reader sees it."""
    url = fresh_postgres()
    with Database(url) as owner:
        migrate(owner)
        add_hours(owner, PipelineKey("p"), 1)
    with user_in("pipeline_reader", url) as as_reader, Database(as_reader) as database:
        yield database


def as_itself(database: Database, sql: str) -> list[tuple[object, ...]]:
    """Run SQL with the rights of the database's own user; nothing of it stays."""
    with database._engine.connect() as connection:
        result = connection.execute(text(sql))
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE pipeline_record_events SET actor = 'nobody'",
        "DELETE FROM pipeline_record_events",
        "TRUNCATE pipeline_record_events",
        TRACE,
        "UPDATE pipeline_migrations SET name = 'x'",
        "DELETE FROM pipeline_migrations",
        "TRUNCATE pipeline_records",
        "DELETE FROM pipelines",
        "ALTER TABLE pipeline_records ADD COLUMN mine TEXT",
        "ALTER TABLE pipeline_records DISABLE TRIGGER USER",
        "DROP TRIGGER pipeline_records_event ON pipeline_records",
        "DROP TABLE pipeline_records",
        "CREATE TABLE mine (a INTEGER)",
        "CREATE OR REPLACE FUNCTION pipeline_record_event() RETURNS trigger LANGUAGE sql AS ''",
    ],
)
def test_runner_changes_neither_schema_nor_trace(runner: Database, sql: str) -> None:
    """What happened to a window stays written; the schema is the owner's."""
    with pytest.raises(Exception, match=DENIED):
        as_itself(runner, sql)


def test_runner_hangs_the_writer_of_the_trace_on_no_other_table(runner: Database) -> None:
    """The function writes with the owner's rights: on a table of one's own it would write what one likes."""
    forged = "CREATE TEMPORARY TABLE forged (LIKE pipeline_records)"
    trigger = (
        "CREATE TRIGGER forge AFTER UPDATE ON forged FOR EACH ROW EXECUTE FUNCTION pipeline_record_event()"
    )
    with pytest.raises(Exception, match="permission denied for function pipeline_record_event"):
        as_itself(runner, f"{forged}; {trigger}")


def test_moves_are_traced_past_a_temporary_table_of_the_same_name(runner: Database, key: PipelineKey) -> None:
    """Nobody turns the trace aside: the writer looks in its own schema alone, and names who moved."""
    add_hours(runner, key, 1)
    record = claim(runner, key)
    with runner.transaction() as transaction:
        transaction.script(
            "CREATE TEMPORARY TABLE pipeline_record_events (LIKE public.pipeline_record_events)"
        )
        transaction.run("park", id=record.id, epoch=record.lock_epoch, park_seconds=9)
        transaction.script("DROP TABLE pg_temp.pipeline_record_events")
    history = events.history(runner, record.id)
    assert [event["move_name"] for event in history] == ["claim_oldest", "park"]
    assert {event["database_user"] for event in history} == {runner._engine.url.username}


def test_runner_may_do_all_that_the_statements_do(runner: Database) -> None:
    """PostgreSQL looks at the rights of a statement before it explains it; `migrate` alone needs more."""
    assert rights.missing(runner) == []
    for statement in statements.load("postgresql").values():
        if statement.name != "note_migration":
            told = text("EXPLAIN " + statement.text)
            with runner._engine.connect() as connection:
                connection.execute(told, dict.fromkeys(told.compile().params))


def test_reader_reads_and_moves_nothing(reader: Database) -> None:
    """Every question is answered, every move is refused."""
    assert reader.run("record_by_id", id=1) != []
    assert reader.run("events_of", record_id=1) == []
    assert as_itself(reader, "SELECT count(*) FROM pipeline_migrations") != [(0,)]
    for move in MOVES:
        told = text("EXPLAIN " + statements.load("postgresql")[move].text)
        with reader._engine.connect() as connection, pytest.raises(Exception, match=DENIED):
            connection.execute(told, dict.fromkeys(told.compile().params))


def test_missing_rights_are_named(reader: Database, runner: Database) -> None:
    """All of them at once, with the role that has them."""
    rights.require(runner)
    lacks = "lacks INSERT on pipeline_ranges, .*UPDATE on pipelines; grant it the role pipeline_runner"
    with pytest.raises(Misuse, match=lacks) as told:
        rights.require(reader)
    assert "SELECT" not in str(told.value)


def test_sqlite_knows_no_rights(tmp_path: Path) -> None:
    """Whoever may write the file may do everything."""
    with Database(f"sqlite:///{tmp_path}/c.db") as database:
        migrate(database)
        rights.require(database)


def test_roles_are_made_before_or_after_the_tables_and_twice(fresh_postgres: Callable[[], str]) -> None:
    """In every order the owner can migrate and the runner can move; a later migration is handed out too."""
    url = fresh_postgres()
    with user_in("pipeline_owner", url) as as_owner, Database(as_owner) as owner:
        migrate_not_quite(owner)
        assert len(migrate(owner)) == 1
        assert pending(owner) == []
    execute(url, ROLES)
    with user_in("pipeline_runner", url) as as_runner, Database(as_runner) as runner:
        add_hours(runner, PipelineKey("p"), 1)
        progress.complete(runner, claim(runner, PipelineKey("p")).lock(), Result.EMPTY)
        assert rights.missing(runner) == []


def test_tables_of_one_owner_alone_need_no_roles(fresh_postgres: Callable[[], str]) -> None:
    """Somebody who owns the database and is in none of the roles migrates and moves as ever."""
    url = fresh_postgres()
    with user_in("pipeline_reader", url) as as_somebody, Database(as_somebody) as database:
        name = str(database._engine.url.username)
        execute(url, f"CREATE SCHEMA {name} AUTHORIZATION {name}")
        migrate(database)
        add_hours(database, PipelineKey("p"), 1)
        assert len(events.history(database, claim(database, PipelineKey("p")).id)) == 1
        execute(url, f"DROP SCHEMA {name} CASCADE")


def test_every_table_is_handed_out(fresh_postgres: Callable[[], str]) -> None:
    """A table that a migration brings belongs to the owner and can be read; none was forgotten."""
    url = fresh_postgres()
    execute(url, ROLES)
    with Database(url) as database:
        migrate(database)
        sql = (
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND (relowner <> 'pipeline_owner'::regrole"
            " OR NOT has_table_privilege('pipeline_reader', oid, 'SELECT')"
            " OR NOT has_table_privilege('pipeline_runner', oid, 'SELECT'))"
        )
        assert as_itself(database, sql) == []

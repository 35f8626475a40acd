"""Control databases whose schema is not the shipped one: one migration older, or newer by one of tomorrow."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline_framework.control_table import Database, migrations

WANTED = os.environ.get("PIPELINE_TEST_SCHEMA", "shipped")
shipped: Callable[[str], Iterator[Path]] = migrations._files

TOMORROW = """
ALTER TABLE pipeline_records ADD COLUMN of_tomorrow INTEGER NOT NULL DEFAULT 7;
ALTER TABLE pipelines ADD COLUMN of_tomorrow TEXT NOT NULL DEFAULT 'seven';
ALTER TABLE pipeline_record_events ADD COLUMN of_tomorrow TEXT;
CREATE TABLE pipeline_tomorrow (id INTEGER PRIMARY KEY, record_id INTEGER NOT NULL);
CREATE INDEX pipeline_records_tomorrow ON pipeline_records (pipeline_id, target_day);
"""


def migrate_as_wanted(database: Database) -> None:
    """Migrate to the schema that PIPELINE_TEST_SCHEMA names: shipped, older or newer."""
    {"shipped": migrations.migrate, "older": migrate_not_quite, "newer": migrate_beyond}[WANTED](database)


def migrate_not_quite(database: Database) -> None:
    """All but the newest migration; `LookupError` where the release does not run without that."""
    *older, newest = shipped(database.dialect)
    if migrations._number(newest) <= migrations.NEEDED:
        raise LookupError(f"this release needs {newest.stem}: there is no older schema that it runs on")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "_files", lambda _: iter(older))
        migrations.migrate(database)


def migrate_beyond(database: Database) -> None:
    """Every migration, and one that the next release might have."""
    migrations.migrate(database)
    number = max(migration.number for migration in migrations.status(database)) + 1
    with database.transaction() as transaction:
        transaction.script(TOMORROW)
        transaction.run("note_migration", number=number, name=f"{number:04d}_of_tomorrow")

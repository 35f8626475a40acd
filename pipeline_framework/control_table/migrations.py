"""Numbered plain-SQL migrations: which ran is kept in `pipeline_migrations`, each runs once."""

from collections.abc import Iterator
from pathlib import Path

from pipeline_framework.control_table import statements
from pipeline_framework.control_table.database import Database, Transaction
from pipeline_framework.errors import SchemaOutdated


def migrate(database: Database) -> list[str]:
    """Apply what is missing, in order, each in one transaction; the names of what was applied.

    Many processes may call it at once: one works, the others wait and find nothing left. A database that
    is newer than this release is left as it is.
    """
    return [file.stem for file in _files(database.dialect) if _applied(database, file)]


def pending(database: Database) -> list[str]:
    """The names of migrations that this release has and the database lacks."""
    known = _known(database)
    return [file.stem for file in _files(database.dialect) if _number(file) not in known]


def require_current(database: Database, auto_migrate: bool) -> None:  # noqa: FBT001
    """Raise `SchemaOutdated` when migrations are missing. SQLite migrates itself; PostgreSQL when told to."""
    missing = pending(database)
    if missing and (auto_migrate or database.dialect == "sqlite"):
        migrate(database)
    elif missing:
        raise SchemaOutdated(
            f"control database {database.safe_url} lacks {', '.join(missing)}; "
            "run `pipeline migrate`, or set auto_migrate: true under control."
        )


def _applied(database: Database, file: Path) -> bool:
    """Whether it was this call that applied `file`."""
    with database.transaction() as transaction:
        transaction.run("lock_migrations")
        if _number(file) in _known(transaction):
            return False
        transaction.script(file.read_text(encoding="utf-8"))
        transaction.run("note_migration", number=_number(file), name=file.stem)
        return True


def _known(place: Database | Transaction) -> set[int]:
    if not place.run("migrations_known")[0]["tables"]:
        return set()
    return {row["number"] for row in place.run("applied_migrations")}


def _files(dialect: str) -> Iterator[Path]:
    yield from sorted((statements.folder() / "migrations" / dialect).glob("[0-9]*.sql"))


def _number(file: Path) -> int:
    return int(file.name.partition("_")[0])

"""Numbered plain-SQL migrations: which ran is kept in `pipeline_migrations`, each runs once.

Expand, then contract: a migration only adds, with defaults, and a release does not need what its own
migrations add: the release after it does. So a release runs on the schema before its own (down to `NEEDED`)
and on the one after, and code and schema may be brought up to date in either order while runs go on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline_framework.control_table import rights, statements
from pipeline_framework.control_table.database import Database, Transaction
from pipeline_framework.control_table.database.transaction import Row
from pipeline_framework.errors import SchemaOutdated

NEEDED = 3  # number of the oldest schema on which every statement of this release runs


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration as the database and this release know it.

    `state` is `applied`; `needed` for one that is missing and without which this release does not run, `due`
    for one that is missing and without which it does; `newer` for one of a later release.
    """

    number: int
    name: str
    applied_at: datetime | None
    state: str


def migrate(database: Database) -> list[str]:
    """Apply what is missing, in order, each in one transaction; the names of what was applied.

    Many processes may call it at once: one works, the others wait and find nothing left. A database that
    is newer than this release is left as it is. Where sql/roles.sql was run, what is new gets its rights.
    """
    applied = [file.stem for file in _files(database.dialect) if _applied(database, file)]
    if applied:
        rights.grant(database)
    return applied


def status(database: Database) -> list[Migration]:
    """Every migration that this release has or the database knows, in order."""
    files = {_number(file): file.stem for file in _files(database.dialect)}
    rows = {row["number"]: row for row in _known(database)}
    names = {number: row["name"] for number, row in rows.items()} | files
    return [
        Migration(number, names[number], rows.get(number, {}).get("applied_at"), _state(number, files, rows))
        for number in sorted(names)
    ]


def pending(database: Database) -> list[str]:
    """The names of migrations that this release has and the database lacks."""
    return [migration.name for migration in status(database) if migration.applied_at is None]


def require_current(database: Database, auto_migrate: bool) -> None:  # noqa: FBT001
    """Raise `SchemaOutdated` when the schema is older than this release needs; a newer one will do.

    SQLite migrates itself to the newest; PostgreSQL with `auto_migrate`.
    """
    missing = [migration for migration in status(database) if migration.applied_at is None]
    if missing and (auto_migrate or database.dialect == "sqlite"):
        migrate(database)
    elif any(migration.state == "needed" for migration in missing):
        raise SchemaOutdated(
            f"control database {database.safe_url} lacks {', '.join(each.name for each in missing)}; "
            "run `pipeline migrate`, or set auto_migrate: true under control."
        )


def _state(number: int, shipped: dict[int, str], applied: dict[int, Row]) -> str:
    if number in applied:
        return "applied" if number in shipped else "newer"
    return "needed" if number <= NEEDED else "due"


def _applied(database: Database, file: Path) -> bool:
    """Whether it was this call that applied `file`."""
    with database.transaction() as transaction:
        transaction.run("lock_migrations")
        if _number(file) in {row["number"] for row in _known(transaction)}:
            return False
        transaction.script(file.read_text(encoding="utf-8"))
        transaction.run("note_migration", number=_number(file), name=file.stem)
        return True


def _known(place: Database | Transaction) -> list[Row]:
    if not place.run("migrations_known")[0]["tables"]:
        return []
    return place.run("applied_migrations")


def _files(dialect: str) -> Iterator[Path]:
    yield from sorted((statements.folder() / "migrations" / dialect).glob("[0-9]*.sql"))


def _number(file: Path) -> int:
    return int(file.name.partition("_")[0])

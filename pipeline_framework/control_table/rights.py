"""What a user of PostgreSQL may do with the control table, by sql/roles.sql. SQLite knows no users."""

from pipeline_framework.control_table import statements
from pipeline_framework.control_table.database import Database
from pipeline_framework.errors import Misuse


def grant(database: Database) -> None:
    """Run sql/roles.sql anew, so that new tables have their owner and rights, where this user may."""
    if database.run("may_grant")[0]["roles"]:
        with database.transaction() as transaction:
            transaction.run("lock_migrations")
            transaction.script((statements.folder() / "roles.sql").read_text(encoding="utf-8"))


def missing(database: Database) -> list[str]:
    """The rights that a run needs and this user lacks: `UPDATE on pipeline_records`."""
    return [f"{row['right_name'].upper()} on {row['table_name']}" for row in database.run("missing_rights")]


def require(database: Database) -> None:
    """Raise `Misuse` naming every right that a run needs and this user lacks."""
    if lacking := missing(database):
        raise Misuse(
            f"control database {database.safe_url}: this user lacks {', '.join(lacking)}; "
            "grant it the role pipeline_runner, which sql/roles.sql makes."
        )

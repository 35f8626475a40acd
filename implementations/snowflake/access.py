"""Whether a role may do what a load does, tried without changing a row."""

from implementations.loading import ledger
from implementations.loading.dialect import Table, place
from implementations.snowflake.names import quoted
from implementations.snowflake.session import GIVES_NONE
from implementations.snowflake.words import GUARD, SnowflakeWords
from pipeline_framework.errors import Misuse

_PROBE = "pipeline_check"


def check_access(words: SnowflakeWords, where: str) -> None:
    """Raise `Misuse` for what the session lacks, or a statement of a load that this role may not say.

    `where`: how messages name the account.
    """
    asked = ("DATABASE", "SCHEMA", "WAREHOUSE")
    have = words.rows("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_WAREHOUSE()")[0]
    for name, value in zip(asked, have, strict=True):
        if value is None:
            raise Misuse(f"{where} {GIVES_NONE.format(name.lower())}")
    schema = words.table.schema
    tables = [words.table, Table(schema, ledger.NAME, ""), Table(schema, GUARD, "")]
    missing = [table for table in tables if not _may_change(words, table)]
    if missing:
        probe = f"{quoted(schema)}.{quoted(_PROBE)}"
        words.rows(
            f"CREATE OR REPLACE TRANSIENT TABLE {probe} (x NUMBER(1,0)) DATA_RETENTION_TIME_IN_DAYS = 0"
        )
        words.rows(f"DROP TABLE {probe}")


def _may_change(words: SnowflakeWords, table: Table) -> bool:
    """Whether the table is there; raises what Snowflake says to a change of none of its rows."""
    columns = words.columns(table)
    if not columns:
        return False
    name, first = place(words, table), words.quoted(next(iter(columns)))
    words.rows(f"DELETE FROM {name} WHERE FALSE")  # noqa: S608
    words.rows(f"UPDATE {name} SET {first} = {first} WHERE FALSE")  # noqa: S608
    words.rows(f"INSERT INTO {name} SELECT * FROM {name} WHERE FALSE")  # noqa: S608
    words.rows("ROLLBACK")
    return True

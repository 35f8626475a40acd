"""Finished days are sealed: reports and generation then read one row for a day instead of its windows."""

from pipeline_framework.control_table.database import Database
from pipeline_framework.control_table.record import PipelineKey

PAGE = 2000  # unsealed windows of a stretch that one look goes through, to the end of their day
PAGES = 20  # looks of one call, as long as they find something


def seal(database: Database, key: PipelineKey) -> int:
    """Seal whole days of finished windows, those of a few pages at most; how many were sealed.

    The newest day is left open, and nothing is waited for: while somebody adds or reopens windows, nothing
    is sealed. The next call looks on where this one ended, so that days behind a long backlog get their turn.
    """
    sealed = 0
    for _ in range(PAGES):
        days, more = _sealed_page(database, key)
        sealed += days
        if not (days and more):
            break
    return sealed


def _sealed_page(database: Database, key: PipelineKey) -> tuple[int, bool]:
    """How many days of one page were sealed, and whether there is a page behind it."""
    look = database.run("days_to_seal", **key.parameters, windows=PAGE)[0]
    days = _sealed(database, key) if look["days"] else 0
    if look["next_page"] != look["since"]:
        database.run("note_sealing", **key.parameters, since=look["next_page"])
    return days, look["next_page"] is not None


def _sealed(database: Database, key: PipelineKey) -> int:
    with database.transaction() as transaction:
        if not transaction.run("hold_to_seal", **key.parameters):
            return 0
        return len(transaction.run("seal_days", **key.parameters, windows=PAGE))

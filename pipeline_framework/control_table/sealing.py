"""Finished days are sealed: reports and generation then read one row for a day instead of its windows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_framework.control_table.database import Database
from pipeline_framework.control_table.record import PipelineKey
from pipeline_framework.windows import Window

PAGE = 2000  # windows that one look goes through, to the end of the last one's day
BARREN = 4000  # windows that one call looks at in vain
PAGES = 20  # looks of one call
# A day off either end of time, for a driver that reads it in another zone.
_BEGINNING, _END = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Look:
    """What one page came to: days that were sealed, or windows that were looked at in vain."""

    days: int = 0
    barren: int = 0


def seal(database: Database, key: PipelineKey) -> int:
    """Seal whole days of finished windows, those of a few pages at most; how many were sealed.

    The newest day is left open, and nothing is waited for: while somebody adds or reopens windows, nothing
    is sealed. The next call looks on where this one ended, so that days behind a long backlog get their turn.
    """
    began = database.run("sealing_since", **key.parameters)
    since = began[0]["sealing_since"] if began else None
    looks: list[Look] = []
    ends: datetime | None = since or _BEGINNING
    for page in _pages(database, key, since or _BEGINNING):
        if len(looks) == PAGES or sum(look.barren for look in looks) >= BARREN:
            ends = page.start
            break
        looks.append(_look(database, key, page))
    else:
        ends = None
    if ends != since:
        database.run("note_sealing", **key.parameters, since=ends)
    return sum(look.days for look in looks)


def _pages(database: Database, key: PipelineKey, since: datetime) -> Iterator[Window]:
    """What is not sealed from `since` on, in pieces that end with a day."""
    span = {"since": since, "last": _END, "stretches": PAGES + 1}
    for stretch in database.run("unsealed_stretches", **key.parameters, **span):
        first, last = stretch["stretch_from"], stretch["stretch_to"]
        while first < last:
            rest = {"page_from": first, "page_until": last}
            cut = database.run("page_end", **key.parameters, **rest, windows=PAGE - 1)
            until = (cut[0]["page_until"] if cut else None) or last
            yield Window(first, until)
            first = until


def _look(database: Database, key: PipelineKey, page: Window) -> Look:
    """Seal the finished days of a page; asked without a lock first, for mostly there are none."""
    span = {**key.parameters, "page_from": page.start, "page_until": page.end}
    found = database.run("days_to_seal", **span)[0]
    if not found["days"]:
        return Look(barren=found["windows"])
    with database.transaction() as transaction:
        free = transaction.run("hold_to_seal", **key.parameters)
        return Look(days=len(transaction.run("seal_days", **span)) if free else 0)

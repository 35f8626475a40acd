"""What reports say of a pipeline, read from its windows one by one: the reference for whatever is sealed."""

from collections import Counter
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from pipeline_framework.control_table import Database, PipelineKey, Record, new_windows
from pipeline_framework.control_table.database.values import python_row
from pipeline_framework.windows import Window
from tests.services.control import by_hand

Told = dict[str, Any]
ROWS = "SELECT * FROM pipeline_records WHERE pipeline_id = :id ORDER BY window_start_time, id"
SEALED = "SELECT * FROM pipeline_coverage WHERE pipeline_id = :id ORDER BY sealed_from"


def rows_of(database: Database, key: PipelineKey) -> list[Record]:
    rows = by_hand(database, ROWS, id=key.pipeline_id)
    return [Record.of(python_row(row.items())) for row in rows]


def sealed_stretches(database: Database, key: PipelineKey) -> list[dict[str, Any]]:
    return [python_row(row.items()) for row in by_hand(database, SEALED, id=key.pipeline_id)]


def told(database: Database, key: PipelineKey) -> Told:
    """What the statements of generation and reports answer."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in database.run("counts_by_status", **key.parameters):
        counts[row["pipeline_status"], row["audit_result"]] += row["windows"]
    overlapping = database.run("overlapping_windows", **key.parameters)
    empty = database.run("empty_windows", **key.parameters, page_size=3)
    return {
        "islands": new_windows.islands(database, key),
        "counts": dict(counts),
        "first_unfinished": database.run("first_unfinished", **key.parameters)[0]["start"],
        "why_none": database.run("why_none", **key.parameters)[0],
        "overlaps": [(row["other_id"], row["id"]) for row in overlapping],
        "empty": [row["id"] for row in empty],
    }


def walked(records: list[Record]) -> Told:
    """The same from every window."""
    unfinished = [record for record in records if record.pipeline_status != "COMPLETED"]
    waiting = [record for record in unfinished if record.not_before]
    return {
        "islands": islands([record.window for record in records]),
        "counts": dict(Counter((record.pipeline_status, record.audit_result or "") for record in records)),
        "first_unfinished": min((record.window_start_time for record in unfinished), default=None),
        "why_none": {
            "held": sum(record.pipeline_status == "IN_PROGRESS" for record in unfinished),
            "waiting": len(waiting),
            "quarantined": sum(record.pipeline_status == "FAILED" for record in unfinished),
        },
        "overlaps": [
            (one.id, other.id)
            for one, other in pairwise(records)
            if other.window_start_time < one.window_end_time
        ],
        "empty": [record.id for record in records if record.audit_result == "empty"][:3],
    }


def islands(windows: list[Window]) -> list[Window]:
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return merged


def finished_days(records: list[Record]) -> set[date]:
    """Days that may be sealed: finished, without a hole, crossed by nothing, not the newest."""
    days = {record.target_day for record in records}
    newest = records[-1].target_day if records else None
    return {day for day in days if day != newest and sound(day, records)}


def sound(day: date, records: list[Record]) -> bool:
    mine = [record for record in records if record.target_day == day]
    first, last = mine[0].window_start_time, max(record.window_end_time for record in mine)
    return (
        all(record.pipeline_status == "COMPLETED" for record in mine)
        and all(one.window_end_time == other.window_start_time for one, other in pairwise(mine))
        and not [record for record in records if record not in mine and crosses(record, first, last)]
    )


def crosses(record: Record, first: datetime, last: datetime) -> bool:
    return record.window_start_time < last and record.window_end_time > first

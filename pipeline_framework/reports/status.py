"""How a pipeline stands."""

from dataclasses import asdict, dataclass
from datetime import datetime

from pipeline_framework.control_table import new_windows
from pipeline_framework.control_table.gates import Gates, gates
from pipeline_framework.control_table.states import Status
from pipeline_framework.generation import ready_until, watermark
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.locks import locks
from pipeline_framework.windows import Window, holes

LOOKED_AT = 10_000  # newest windows in which rows that were put aside are counted


@dataclass(frozen=True, slots=True)
class PutAside:
    """Rows that did not fit, of so many windows; the start of the newest of these.

    Of the newest 10,000 windows alone, which begin at `since`; None without a window.
    """

    rows: int
    windows: int
    newest: datetime | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """Times are UTC; `gaps` counts holes between `start` and the last window.

    `lag_seconds` lies between `complete_until` and what is ready; `gates` hold every claim back.
    """

    pipeline_id: str
    mapping_name: str
    watermark: datetime
    complete_until: datetime
    lag_seconds: float
    counts: dict[str, int]
    results: dict[str, int]
    stale_locks: int
    gaps: int
    bad_rows: PutAside
    gates: Gates

    def as_json(self) -> dict[str, object]:
        """By field name; times as datetimes."""
        return asdict(self)


def status(pipeline: Pipeline, now: datetime) -> PipelineStatus:
    """Counts by status and audit result, how far the pipeline is complete and how far behind."""
    ready = ready_until(pipeline, now)
    islands = new_windows.islands(pipeline.database, pipeline.key)
    complete = complete_until(pipeline, islands)
    counts, results = tallies(pipeline)
    return PipelineStatus(
        pipeline_id=pipeline.key.pipeline_id,
        mapping_name=pipeline.key.mapping_name,
        watermark=watermark(pipeline, now),
        complete_until=complete,
        lag_seconds=max(0.0, (ready - complete).total_seconds()),
        counts=counts,
        results=results,
        stale_locks=sum(lock.stale for lock in locks(pipeline)),
        gates=gates(pipeline.database, pipeline.key),
        gaps=len(inner_holes(pipeline, islands)),
        bad_rows=bad_rows(pipeline),
    )


def bad_rows(pipeline: Pipeline) -> PutAside:
    """How many rows of the newest windows were put aside."""
    rows = pipeline.database.run("rows_put_aside", **pipeline.key.parameters, page_size=LOOKED_AT)
    return PutAside(**rows[0])


def inner_holes(pipeline: Pipeline, islands: list[Window]) -> list[Window]:
    """Time between `start` and the last window that no window covers."""
    if not islands:
        return []
    last = max(window.end for window in islands)
    return list(holes(islands, pipeline.config.start, last)) if last > pipeline.config.start else []


def complete_until(pipeline: Pipeline, islands: list[Window]) -> datetime:
    """The end of the contiguous finished windows, `start` when there is none."""
    start = pipeline.config.start
    covered = next((window.end for window in islands if window.start <= start < window.end), start)
    first = pipeline.database.run("first_unfinished", **pipeline.key.parameters)[0]["start"]
    return max(start, min(covered, first)) if first else covered


def tallies(pipeline: Pipeline) -> tuple[dict[str, int], dict[str, int]]:
    """Windows by pipeline_status (every status named) and by audit_result."""
    rows = pipeline.database.run("counts_by_status", **pipeline.key.parameters)
    counts, results = {str(status): 0 for status in Status}, dict[str, int]()
    for row in rows:
        counts[row["pipeline_status"]] += row["windows"]
        if row["audit_result"]:
            results[row["audit_result"]] = results.get(row["audit_result"], 0) + row["windows"]
    return counts, results

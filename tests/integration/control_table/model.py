"""What the control table ought to do, in plain Python: one dictionary-like row for each window.

No clock: a lease is alive or ran out, a wait holds or is over, because the state machine takes leases and
waits that are either past or an hour ahead.
"""

from dataclasses import dataclass, field, replace

MARKERS = ["SOURCE_TO_STAGE", "STAGE_TO_TARGET", "AUDIT"]
TEMPORARY = "__airflow_temporary_run_"


class Refused(Exception):
    """The table's own rules forbid the move."""


class Lost(Exception):
    """The lock is another's."""


class Taken(Exception):
    """The run and slot hold a window already."""


@dataclass(frozen=True)
class Who:
    """A slot of a run."""

    dag: str
    run: str
    slot: int

    @property
    def owner(self) -> str:
        return f"host:{self.run}:{self.slot}"


@dataclass(frozen=True)
class How:
    """With what an owner moves: each move takes of it what it needs."""

    phase: str
    alive: bool
    waits: bool
    result: str
    count: int


@dataclass
class Row:
    """A window, as far as moves change it."""

    number: int  # hours after the first window
    max_attempts: int
    status: str = "PENDING"
    epoch: int = 0
    who: Who | None = None
    alive: bool = False  # the lease
    waits: bool = False  # not_before lies ahead
    phases: dict[str, str] = field(default_factory=lambda: dict.fromkeys(MARKERS, "PENDING"))
    marker: str | None = None
    stage_epoch: int | None = None
    source_count: int | None = None
    target_count: int | None = None
    result: str | None = None
    attempts: int = 0
    error: bool = False
    reload: str | None = None
    actor: str | None = None
    range_id: int | None = None
    events: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        return self.status == "IN_PROGRESS"

    @property
    def untouched(self) -> bool:
        fresh = self.status == "PENDING" and self.epoch == 0 and self.attempts == 0
        return fresh and self.range_id is None and self.reload is None

    @property
    def at_work(self) -> bool:
        return "IN_PROGRESS" in self.phases.values()

    def broken_rule(self) -> str | None:
        """The rules of the table that this row would break; the databases name one of them."""
        staged, loaded, audited = (self.phases[name] == "COMPLETED" for name in MARKERS)
        wanted = {
            None: (False, False),
            "SOURCE_TO_STAGE": (True, False),
            "STAGE_TO_TARGET": (True, True),
            "AUDIT": (True, True),
        }[self.marker]
        markers = (staged, loaded) != wanted or audited != (self.marker == "AUDIT")
        broken = {"markers": markers, "working": not self.held and self.at_work}
        return "|".join(name for name, is_broken in broken.items() if is_broken) or None


@dataclass
class Stretch:
    """A range as the model knows it: windows first <= number < last."""

    id: int
    first: int
    last: int
    alive: bool
    over: bool = False


class Model:
    """The windows of one pipeline, and its ranges, also those that are over."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.ranges: list[Stretch] = []

    def _replace(self, row: Row, move: str, **changes: object) -> Row:
        after = replace(row, **changes)  # type: ignore[arg-type]
        after.phases = dict(after.phases)
        after.events = (*row.events, move)
        if after.broken_rule():
            raise Refused(after.broken_rule())
        self.rows[self.rows.index(row)] = after
        return after

    def add(self, count: int, max_attempts: int) -> int:
        """Hourly windows from the first on."""
        there = {row.number for row in self.rows}
        fresh = [Row(number, max_attempts) for number in range(count) if number not in there]
        self.rows = sorted(self.rows + fresh, key=lambda row: row.number)
        return len(fresh)

    def ready(self, since: int, until: int) -> list[Row]:
        """What may be claimed, oldest first."""
        return [
            row
            for row in self.rows
            if row.status == "PENDING" and row.range_id is None
            if not row.waits and since <= row.number < until
        ]

    def take(self, move: str, row: Row, who: Who, *, alive: bool) -> Row:
        """A run claims, resumes or adopts."""
        if move != "resume":
            self._one_lock(row, who)
        lock = {"status": "IN_PROGRESS", "who": who, "alive": alive, "waits": False, "actor": who.owner}
        return self._replace(row, move, **lock, phases=resting(row, "PENDING"))

    def _one_lock(self, row: Row, who: Who) -> None:
        for other in self.rows:
            same = other.who and (other.who.run, other.who.slot) == (who.run, who.slot)
            if other is not row and other.held and same:
                raise Taken

    def regrid(self) -> int:
        """The rows at the end that nobody has touched are deleted; how many."""
        before = len(self.rows)
        while self.rows and self.rows[-1].untouched:
            self.rows.pop()
        return before - len(self.rows)

    def overlapped(self, first: int, last: int) -> bool:
        return any(not each.over and each.first < last and each.last > first for each in self.ranges)

    def register(self, fresh: Stretch) -> None:
        self.ranges.append(fresh)
        for row in list(self.rows):
            if row.status == "PENDING" and row.range_id is None and fresh.first <= row.number < fresh.last:
                self._replace(row, "reserve", range_id=fresh.id, actor="ann")

    def set_aside(self, stretch: Stretch) -> list[Row]:
        """What the backfill of a range may claim."""
        return [row for row in self.rows if row.status == "PENDING" and row.range_id == stretch.id]

    def end(self, stretch: Stretch, actor: str) -> int:
        """Its backfill is over, or any run lets it go."""
        left = [] if stretch.over else self.set_aside(stretch)
        stretch.over = True
        for row in left:
            self._replace(row, "leave_range", range_id=None, actor=actor)
        return len(left)

    def expire(self) -> None:
        for each in self.ranges:
            if not each.alive and not each.over:
                self.end(each, "rescue")

    def held_by(self, who: Who) -> Row | None:
        return next((row for row in self.rows if row.held and row.who == who), None)

    def owned(self, number: int, epoch: int) -> Row:
        """The window, if the owner of that epoch still holds it."""
        row = next(row for row in self.rows if row.number == number)
        if not row.held or row.epoch != epoch:
            raise Lost
        return row

    def begin(self, row: Row, how: How) -> Row:
        phases = {**row.phases, how.phase: "IN_PROGRESS"}
        return self._by_owner(row, f"begin_{how.phase.lower()}", phases=phases, alive=how.alive)

    def finish(self, row: Row, how: How) -> Row:
        phase = how.phase if how.phase == "STAGE_TO_TARGET" else "SOURCE_TO_STAGE"
        phases = {**row.phases, phase: "COMPLETED"}
        changes: dict[str, object] = {"phases": phases, "marker": phase, "alive": how.alive}
        if phase == "SOURCE_TO_STAGE":
            changes["stage_epoch"] = row.epoch
        return self._by_owner(row, f"finish_{phase.lower()}", **changes, source_count=how.count)

    def park(self, row: Row, how: How) -> Row:
        return self._by_owner(row, "park", alive=how.alive, phases=resting(row, "PENDING"))

    def renew(self, row: Row, how: How) -> Row:
        row.alive = how.alive
        return row

    def restage(self, row: Row, _: How) -> Row:
        return self._by_owner(row, "restage", **UNMARKED(), **UNCOUNTED, result=None)

    def complete(self, row: Row, how: How) -> Row:
        audited = row.phases["AUDIT"] == "IN_PROGRESS"
        changes: dict[str, object] = {"status": "COMPLETED", "result": how.result, "target_count": how.count}
        if audited:
            changes |= {"marker": "AUDIT", "phases": {**row.phases, "AUDIT": "COMPLETED"}}
        return self._by_owner(row, "complete", **changes, error=False, range_id=None)

    def fail(self, row: Row, how: How) -> Row:
        changes = attempt(row, counted=not temporary(row), waits=how.waits)
        return self._by_owner(row, "fail", **changes, error=True, phases=resting(row, "FAILED"))

    def mismatch(self, row: Row, how: How) -> Row:
        changes = attempt(row, counted=not temporary(row), waits=how.waits) | UNMARKED()
        changes["phases"] = {**dict.fromkeys(MARKERS, "PENDING"), "AUDIT": "FAILED"}
        reload = row.reload or "audit mismatch"
        return self._by_owner(row, "mismatch", **changes, error=True, result="mismatch", reload=reload)

    def release(self, row: Row, _: How) -> Row:
        phases = resting(row, "PENDING")
        return self._by_owner(row, "release", status="PENDING", phases=phases, range_id=None)

    def _by_owner(self, row: Row, move: str, **changes: object) -> Row:
        assert row.who
        return self._replace(row, move, actor=row.who.owner, **changes)

    def taken_away(self, row: Row, move: str, actor: str, *, waits: bool) -> Row:
        """Rescue, and cleanup of a run."""
        died = row.at_work and not temporary(row)
        changes = attempt(row, counted=died, waits=waits)
        phases = resting(row, "FAILED")
        return self._replace(row, move, **changes, phases=phases, error=row.error or died, actor=actor)

    def reopen(self, row: Row, move: str, reason: str) -> Row:
        fresh: dict[str, object] = {
            "status": "PENDING",
            "attempts": 0,
            "error": False,
            "waits": False,
            "result": None,
        }
        return self._replace(row, move, **fresh, **UNMARKED(), **UNCOUNTED, reload=reason, actor="ann")

    def retry(self, row: Row) -> Row:
        attempts = 0 if row.status == "FAILED" else row.attempts
        return self._replace(row, "retry", status="PENDING", waits=False, attempts=attempts, actor="ann")

    def skip(self, row: Row) -> Row:
        done: dict[str, object] = {"status": "COMPLETED", "result": "skipped", "error": False, "waits": False}
        return self._replace(row, "skip", **done, actor="ann", range_id=None)

    def quarantine(self, row: Row) -> Row:
        out: dict[str, object] = {"status": "FAILED", "error": True, "waits": False, "range_id": None}
        return self._replace(row, "quarantine", **out, actor="ann")

    def clear_lock(self, row: Row, move: str, actor: str = "ann") -> Row:
        phases = resting(row, "PENDING")
        return self._replace(row, move, status="PENDING", phases=phases, actor=actor, range_id=None)


UNCOUNTED: dict[str, object] = {"source_count": None, "target_count": None}


def UNMARKED() -> dict[str, object]:  # noqa: N802 - reads like the constant beside it
    return {"marker": None, "stage_epoch": None, "phases": dict.fromkeys(MARKERS, "PENDING")}


def temporary(row: Row) -> bool:
    return row.who is not None and row.who.run.startswith(TEMPORARY)


def resting(row: Row, becomes: str) -> dict[str, str]:
    """The phases when nobody works on them any more."""
    return {name: becomes if status == "IN_PROGRESS" else status for name, status in row.phases.items()}


def attempt(row: Row, *, counted: bool, waits: bool) -> dict[str, object]:
    """An owner's attempt is over."""
    if not counted:
        return {"status": "PENDING", "waits": False, "range_id": None}
    used_up = row.attempts + 1 >= row.max_attempts
    status = "FAILED" if used_up else "PENDING"
    waits = waits and not used_up
    return {"status": status, "attempts": row.attempts + 1, "waits": waits, "range_id": None}

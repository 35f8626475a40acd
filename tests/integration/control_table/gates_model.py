"""A pipeline's gates and its order as they ought to be, beside the rows of `model`; no clock here either."""

from dataclasses import dataclass

from tests.integration.control_table.model import How, Model, Row, attempt, resting, temporary

THRESHOLD = 2  # failures in a row that open the circuit


@dataclass
class GatesModel:
    """`circuit` is closed, open (until a time that lies ahead) or wants proof (that time has passed)."""

    paused_by: str | None = None
    failures: int = 0
    circuit: str = "closed"

    @property
    def shut(self) -> bool:
        return self.paused_by is not None or self.circuit == "open"

    def note(self, *, waits: bool) -> bool:
        """One more failure; False when the circuit is open already."""
        if self.circuit == "open":
            return False
        self.failures += 1
        if self.failures >= THRESHOLD:
            self.circuit = "open" if waits else "wants proof"
        return True

    def close(self) -> bool:
        was, self.failures, self.circuit = self.failures, 0, "closed"
        return was > 0


class GatedModel(Model):
    """The windows of a pipeline that may be paused, and whose circuit may open."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = GatesModel()

    def claimable(self, since: int, until: int, failed: set[int]) -> list[Row]:
        """What an ordinary claim may take, oldest first; `failed` are windows with a wait, over or not."""
        if self.gates.shut:
            return []
        ready = self.ready(since, until)
        if self.gates.circuit == "wants proof":
            return [row for row in ready if row.number not in failed]
        return ready

    def held_back(self, since: int, until: int, failed: set[int]) -> list[Row]:
        """What may give proof when nothing else can."""
        return [] if self.gates.shut else [row for row in self.ready(since, until) if row.number in failed]

    def in_order(self, since: int, until: int) -> list[Row]:
        """The oldest window that is not COMPLETED, if it may be claimed."""
        unfinished = [row for row in self.rows if row.status != "COMPLETED"]
        return [] if self.gates.shut else [row for row in self.ready(since, until) if row is unfinished[0]]

    def fail_unavailable(self, row: Row, how: How) -> Row:
        """As fail, unless the circuit has opened: then no attempt, and a wait beyond its end."""
        if self.gates.circuit == "closed":
            changes = attempt(row, counted=not temporary(row), waits=how.waits)
        else:
            waits = how.waits or self.gates.circuit == "open"
            changes = {"status": "PENDING", "waits": waits, "range_id": None}
        return self._by_owner(row, "fail_unavailable", **changes, error=True, phases=resting(row, "FAILED"))

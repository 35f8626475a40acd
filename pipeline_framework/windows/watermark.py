"""The stability lag: data younger than this may still change. Watermark = now minus the lag."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline_framework.windows.granularity import LONGEST, UNITS, amount_and_unit, check_length
from pipeline_framework.windows.local_time import FIRST, LAST, first_reaching, latest_shown
from pipeline_framework.windows.window import utc


@dataclass(frozen=True, slots=True)
class TimeBack:
    """`amount` of `unit`: s, m, h are elapsed time, d and w days of the local calendar; 0 is allowed."""

    amount: int
    unit: str

    def __post_init__(self) -> None:
        check_length("x_time_back", self.amount, self.unit)

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"

    @classmethod
    def parse(cls, text: str) -> "TimeBack":
        """`0s`, `90m`, `24h`, `1d`, `1w`; `ValueError` with a sentence for anything else."""
        return cls(*amount_and_unit("x_time_back", text))

    def before(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """The watermark (UTC) at `instant`: so much elapsed time, or so many days of `zone`, before.

        A day before is the same wall-clock time of an earlier date: 23 or 25 hours across a clock
        change. It never goes back while `instant` advances, so a window once ready stays ready:
        inside a repeated hour it waits, and a skipped time of that date counts as where the clock jumped.
        `ValueError` for an instant before the year 12 or after 9899.
        """
        now = utc(instant)
        length: timedelta = self.amount * UNITS[self.unit]
        if not FIRST + LONGEST < now < LAST:
            raise ValueError(f"The time {instant} is too far away to count {self} back from it.")
        if self.unit not in ("d", "w") or not length:
            return now - length
        return first_reaching(zone, latest_shown(zone, now) - length)

"""How far the windows at work are, from the signals that tell of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline_framework.signals import Expecting, Moved, PhaseFinished, PhaseStarted, Signal

UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(slots=True)
class Work:
    """A phase of a window: `expected` rows where the source was counted, `size` in bytes of memory.

    `started` is a time of the clock that `seconds` are counted on.
    """

    record_id: int
    phase: str
    started: float
    expected: int | None = None
    rows: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        """`window 17 source_to_stage`."""
        return f"window {self.record_id} {self.phase.lower()}"

    def rate(self, now: float) -> float:
        """Rows a second."""
        return self.rows / max(now - self.started, 1e-9)

    def short(self, now: float) -> str:
        """`1.2M rows 312 MB 41k/s`; nothing before the first row."""
        told = f"{brief(self.rows)} rows {in_bytes(self.size)} {brief(self.rate(now))}/s"
        return told if self.rows else ""

    def line(self, now: float) -> str:
        """All of it for a log, with the part done and the time left where the source was counted."""
        seconds = now - self.started
        if not self.rows:
            return f"{self.name}: at work for {span(seconds)}"
        left = ""
        if self.expected and self.rows <= self.expected:
            rest = seconds * (self.expected - self.rows) / self.rows
            left = f", {self.rows / self.expected:.0%} of {self.expected:,}, {span(rest)} left"
        amount = f"{self.rows:,} rows, {in_bytes(self.size)}, {self.rate(now):,.0f} rows/s"
        return f"{self.name}: {amount}{left}"


@dataclass(slots=True, eq=False)
class AtWork:
    """The windows at work by their ids; a listener to signals. A window is at work in one thread alone."""

    clock: Callable[[], float] = time.monotonic
    works: dict[int, Work] = field(default_factory=dict)

    def __call__(self, signal: Signal) -> None:
        """Hear one signal."""
        match signal:
            case PhaseStarted(record_id=number, phase=phase, expected=rows):
                self.works[number] = Work(number, phase, self.clock(), rows)
            case Expecting(record_id=number, rows=rows) if number in self.works:
                # A reading begins, which may be another try: it counts from nothing.
                work = self.works[number]
                self.works[number] = Work(number, work.phase, self.clock(), rows)
            case Moved(record_id=number, rows=rows, size=size) if number in self.works:
                self.works[number].rows += rows
                self.works[number].size += size
            case PhaseFinished(record_id=number):
                self.over(number)

    def over(self, number: int) -> None:
        """Nothing is at work on the window."""
        self.works.pop(number, None)

    def lines(self) -> list[str]:
        """A line for each window."""
        return [work.line(self.clock()) for work in list(self.works.values())]


def brief(number: float) -> str:
    """`9999`, `41k`, `1.2M`."""
    if number < 9999.5:
        return f"{number:.0f}"
    return f"{number / 1000:.0f}k" if number < 999_500 else f"{number / 1_000_000:,.1f}M"


def in_bytes(size: float) -> str:
    """`312 MB`."""
    for unit in UNITS[:-1]:
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} {UNITS[-1]}"


def span(seconds: float) -> str:
    """`42 s`, `3 min 7 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

"""How long a window is: a whole number and a unit; s, m, h are elapsed time, d and w calendar time."""

import re
from dataclasses import dataclass
from datetime import timedelta

from pipeline_framework.windows.window import DAY

UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": DAY,
    "w": 7 * DAY,
}
LONGEST = 3660 * DAY


@dataclass(frozen=True, slots=True)
class Granularity:
    """`amount` of `unit` (s, m, h, d or w). `ValueError` unless above nothing and at most ten years."""

    amount: int
    unit: str

    def __post_init__(self) -> None:
        if self.amount == 0:
            raise ValueError(
                f"The granularity {self} is no length of time; it must be at least 1{self.unit}."
            )
        check_length("granularity", self.amount, self.unit)

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"

    @classmethod
    def parse(cls, text: str) -> "Granularity":
        """`15m`, `2h`, `1d`, `1w`; `ValueError` with a sentence for anything else."""
        return cls(*amount_and_unit("granularity", text))

    @property
    def length(self) -> timedelta:
        """Nominal length: a day counts as 24 hours."""
        return self.amount * UNITS[self.unit]

    @property
    def counts_days(self) -> bool:
        """True for d and w."""
        return self.unit in ("d", "w")


def amount_and_unit(what: str, text: str) -> tuple[int, str]:
    """The two parts of `text`; `what` (granularity, x_time_back) names it in the `ValueError`."""
    match = re.fullmatch(r"\s*(-?[0-9]+)\s*([A-Za-z]*)\s*", text)
    if match is None or not match[2]:
        raise ValueError(
            f"The {what} '{text}' is not understood; write a number and a unit, such as 15m, 2h or 1d."
        )
    return int(match[1]), match[2]


def check_length(what: str, amount: int, unit: str) -> None:
    """`ValueError` for an unknown unit, a negative amount or more than ten years."""
    if unit not in UNITS:
        raise ValueError(
            f"The {what} {amount}{unit} has an unknown unit '{unit}'; known are {', '.join(UNITS)}."
        )
    if amount < 0:
        raise ValueError(f"The {what} {amount}{unit} is negative; write it without the minus sign.")
    if amount > LONGEST // UNITS[unit]:
        raise ValueError(f"The {what} {amount}{unit} is longer than ten years; choose a shorter one.")

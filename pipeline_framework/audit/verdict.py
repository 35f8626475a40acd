"""What the five numbers mean.

A window is sound when read = staged + bad + filtered and staged = loaded = target. What the source
says now does not decide: rows that came or went since the reading are late data, not a loss.
A module of functions knows only the counts of source and target; then these two decide.
"""

from dataclasses import asdict, dataclass

from pipeline_framework.audit.counts import Counts
from pipeline_framework.audit.explain import do, findings, late, rows, were


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sound`, or not; `empty` when nothing was expected and nothing is there; why, in words."""

    sound: bool
    empty: bool
    explanation: str
    counts: Counts

    def detail(self) -> dict[str, object]:
        """What `audit_detail` keeps of it."""
        numbers = asdict(self.counts)
        if not self.counts.changes:
            del numbers["changes"]
        return {"explanation": self.explanation, **numbers}


def judge(counts: Counts) -> Verdict:
    """Compare the numbers station by station and say where rows were lost or came from."""
    wrong = findings(counts)
    empty = not wrong and counts.expected == 0 and counts.present == 0
    return Verdict(not wrong, empty, "; ".join(wrong or [_sound(counts), *late(counts)]), counts)


def _sound(counts: Counts) -> str:
    if counts.expected == 0:
        return (
            f"the window is empty in {'the source' if counts.target_count is None else 'source and target'}"
        )
    bad = counts.bad or 0
    aside = f"; {rows(bad)} that {do(bad)} not fit {were(bad)} put aside" if bad else ""
    if counts.target_count is not None:
        return f"all {counts.kept:,} rows are in the target{aside}"
    changes = ", ".join(f"{number:,} {change}" for change, number in counts.changes.items())
    return f"all {counts.kept:,} rows were loaded{f' ({changes})' if changes else ''}{aside}"

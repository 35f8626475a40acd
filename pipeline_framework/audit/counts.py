"""The five numbers of an audit and what they mean.

A window is sound when read = staged + bad + filtered and staged = loaded = target. What the source
says now does not decide: rows that came or went since the reading are late data, not a loss.
A module of functions knows only the counts of source and target; then these two decide.
"""

from dataclasses import asdict, dataclass

from pipeline_framework.audit.explain import findings, late


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one window at each station; None where the transfer cannot know."""

    source_count: int | None  # in the source, counted while it was read
    staged: int | None  # in the stage, by its manifest
    bad: int | None  # put aside with a reason
    filtered: int | None  # left out by a transform
    loaded: int | None  # reported by the load
    target_count: int  # in the target now
    source_now: int  # in the source now

    @property
    def expected(self) -> int:
        """Rows that the source had for this window: at reading where known, else now."""
        return self.source_now if self.source_count is None else self.source_count

    @property
    def kept(self) -> int:
        """Rows of `expected` that the target should hold: all but those put aside or filtered."""
        return self.expected - (self.bad or 0) - (self.filtered or 0)

    @property
    def difference(self) -> int:
        """Rows missing in the target; negative when it holds foreign ones."""
        return self.kept - self.target_count

    @property
    def percentage(self) -> float | None:
        """The difference in percent of the rows to keep, to 4 places; None where there were none to keep."""
        if self.difference == 0:
            return 0.0
        return round(100 * self.difference / self.kept, 4) if self.kept else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sound`, or not; `empty` when nothing was expected and nothing is there; why, in words."""

    sound: bool
    empty: bool
    explanation: str
    counts: Counts

    def detail(self) -> dict[str, object]:
        """What `audit_detail` keeps of it."""
        return {"explanation": self.explanation, **asdict(self.counts)}


def judge(counts: Counts) -> Verdict:
    """Compare the numbers station by station and say where rows were lost or came from."""
    wrong = findings(counts)
    empty = not wrong and counts.expected == 0 and counts.target_count == 0
    return Verdict(not wrong, empty, "; ".join(wrong or [_sound(counts), *late(counts)]), counts)


def _sound(counts: Counts) -> str:
    if counts.expected == 0:
        return "the window is empty in source and target"
    return f"all {counts.kept:,} rows are in the target"

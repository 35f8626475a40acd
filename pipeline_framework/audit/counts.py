"""The five numbers of an audit."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one window at each station; None where the transfer cannot know."""

    source_count: int | None  # in the source, counted while it was read
    staged: int | None  # in the stage, by its manifest
    bad: int | None  # put aside with a reason
    filtered: int | None  # left out by a transform
    loaded: int | None  # reported by the load
    target_count: int | None  # in the target now; None where they cannot be told from rows of others
    source_now: int  # in the source now
    changes: Mapping[str, int] = field(default_factory=dict)  # what a merge made of the rows that were loaded

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
        return self.kept - self.present

    @property
    def present(self) -> int:
        """Rows of the window in the target: counted now, or as the load reported where that cannot be."""
        return (self.loaded or 0) if self.target_count is None else self.target_count

    @property
    def percentage(self) -> float | None:
        """The difference in percent of the rows to keep, to 4 places; None where there were none to keep."""
        if self.difference == 0:
            return 0.0
        return round(100 * self.difference / self.kept, 4) if self.kept else None

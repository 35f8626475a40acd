"""Says in words where rows were lost or came from."""

from pipeline_framework.audit.counts import Counts


def findings(counts: Counts) -> list[str]:
    """One clause for each pair of neighbouring stations that disagree; empty when all agree."""
    if counts.source_count is None or counts.staged is None or counts.loaded is None:
        return step(counts.source_now, counts.present, "between source and target")
    arrived = counts.staged + (counts.bad or 0) + (counts.filtered or 0)
    return [
        *step(counts.source_count, arrived, "between source and stage"),
        *step(counts.staged, counts.loaded, "between stage and target"),
        *after(counts.loaded, counts.present),
    ]


def step(before: int, behind: int, where: str) -> list[str]:
    """What happened to `before` rows of which `behind` came out of a step."""
    if behind < before:
        return [f"{before - behind:,} of {rows(before)} {were(before - behind)} lost {where}"]
    if behind > before:
        return [f"{rows(behind - before)} too many came out {where}: {before:,} went in, {behind:,} came out"]
    return []


def after(loaded: int, target: int) -> list[str]:
    """What happened in the target since the load reported its rows."""
    if target > loaded:
        return [f"{rows(target - loaded)} in the target {were(target - loaded)} not put there by this load"]
    if target < loaded:
        return [f"{loaded - target:,} of {rows(loaded)} left the target after the load"]
    return []


def late(counts: Counts) -> list[str]:
    """Late data: what the source gained or lost since it was read; no fault of the window."""
    change = counts.source_now - counts.expected
    if change > 0:
        return [f"late data: the source has {rows(change)} more now than when it was read"]
    return [f"the source has {rows(-change)} fewer now than when it was read"] if change else []


def rows(number: int) -> str:
    """`1 row`, `8,113 rows`."""
    return f"{number:,} row{'s' * (number != 1)}"


def were(number: int) -> str:
    """The verb that goes with `number` rows."""
    return "was" if number == 1 else "were"


def do(number: int) -> str:
    """The same for `do`."""
    return "does" if number == 1 else "do"

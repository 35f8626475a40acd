"""Is everything there that a run needs? One finding a line, each with its remedy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_framework import registry
from pipeline_framework.config import FinalConfig
from pipeline_framework.control_table import Database, migrations, rights
from pipeline_framework.errors import PipelineError
from pipeline_framework.pipeline import Pipeline, this_process

CLOCK_TOLERANCE = 5.0  # seconds; leases use the database's clock, so more only confuses readers of logs


@dataclass(frozen=True, slots=True)
class Finding:
    """What answers for `subject`, or in `problem` what is wrong and what to do."""

    subject: str
    answer: str = ""
    problem: str = ""

    def __str__(self) -> str:
        """One line."""
        return f"{'BAD' if self.problem else 'ok '}  {self.subject}: {self.problem or self.answer}"


def check(config: FinalConfig) -> Iterator[Finding]:
    """Configuration and its functions, control table, clock, then each part of the transfer."""
    yield Finding("configuration", f"{config.file} is valid")
    yield finding("keys", lambda: keys(config))
    if config.ready:
        yield finding("ready", lambda: hook(config, str(config.ready)))
    yield finding("control table", lambda: control_table(config))
    yield finding("clock", lambda: clock(config))
    yield from parts(config)


def finding(subject: str, ask: Callable[[], str]) -> Finding:
    """What the question answers, or the error it met."""
    try:
        return Finding(subject, answer=ask())
    except PipelineError as error:
        return Finding(subject, problem=str(error))


def keys(config: FinalConfig) -> str:
    """Whether function_x, function_y and function_z make their keys, for the first window."""
    values = {"window_start": config.start, "window_end": config.start, "target_day": config.start.date()}
    names = ("pipeline_id", "mapping_name", "source_name", "target_name")
    values |= {name: getattr(config, name) for name in names} | {"time_interval": config.granularity}
    made = [registry.key(config, f"function_{letter}", values) for letter in "xyz"]
    return ", ".join(key for key in made if key) or "none are asked for"


def hook(config: FinalConfig, name: str) -> str:
    """Whether the function of `ready:` is there; it is not asked, for there is no window to ask for."""
    registry.function(name, config, ("ready",))
    return f"{name} is there"


def control_table(config: FinalConfig) -> str:
    """Whether the control database answers, fits this release and lets this user do what a run does."""
    with Database(config.control_url) as database:
        migrations.require_current(database, config.control.auto_migrate)
        rights.require(database)
        due = ", ".join(migrations.pending(database))
        return f"{database.safe_url} answers and is up to date" + (f" but for {due}" if due else "")


def clock(config: FinalConfig) -> str:
    """How far this machine's clock is from the control database's."""
    with Database(config.control_url) as database:
        apart = abs((database.now() - datetime.now(UTC)).total_seconds())
    note = "" if apart <= CLOCK_TOLERANCE else "; windows follow the database's clock, set this machine's"
    return f"{apart:.1f} s apart from the control database{note}"


def parts(config: FinalConfig) -> Iterator[Finding]:
    """Each part of the transfer; one that cannot even be built is a finding of its own."""
    try:
        with Database(config.control_url) as database:
            asked = list(Pipeline(config, database, this_process(config)).transfer.check())
    except PipelineError as error:
        yield Finding("transfer", problem=str(error))
        return
    for name, ask in asked:
        yield finding(name, ask)

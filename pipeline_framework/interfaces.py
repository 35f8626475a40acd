"""The contract between the framework and the systems it moves data between, on one page.

Nothing here is inherited: a connector is a frozen dataclass whose fields are its configuration and
whose methods have these shapes. Data travels as Arrow record batches, so memory is bounded by the
batch, whatever a window holds. Times are UTC. Every method may raise `Unavailable` (worth another
try) or a `Terminal` error (somebody has to act); nothing else may escape.
`pipeline_framework.testing` proves an implementation against what the comments promise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import AfterValidator, ValidationInfo

from pipeline_framework.dead_letters import DeadLetters
from pipeline_framework.windows import Window

if TYPE_CHECKING:  # it takes a while, and a task that moves no rows does without
    import pyarrow as pa


def _beside(key: str, path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get(key)
    if folder is None or "://" in path or Path(path).is_absolute():
        return path
    if isinstance(folder, ValueError):  # why a relative path may not stand here
        raise folder
    return str(Path(folder) / path)


# A connector's field of this type resolves against the configuration file's folder.
InputPath = Annotated[str, AfterValidator(lambda path, info: _beside("inputs", path, info))]
# The same for what the pipeline writes: against PIPELINE_STATE_DIR where that is set.
StatePath = Annotated[str, AfterValidator(lambda path, info: _beside("state", path, info))]


@dataclass(frozen=True, slots=True)
class Lock:
    """A held window. Whoever writes shows `epoch`: a stage or target that has seen a larger one refuses."""

    record_id: int
    pipeline_id: str
    mapping_name: str
    window: Window
    epoch: int
    owner: str
    columns: Mapping[str, Any] = field(default_factory=dict)  # the row of pipeline_records by name


@dataclass(slots=True)
class Tally:
    """Rows that passed so far on the way from source to stage; final once the batches are used up."""

    read: int = 0
    bad: int = 0  # put aside with a reason
    filtered: int = 0  # left out by a transform
    letters: DeadLetters = field(default_factory=DeadLetters, repr=False, compare=False)

    def put_aside(self, document: bytes, reason: str, place: str = "") -> None:
        """Keep a row of the window that does not fit, as it was written, instead of passing it on.

        The reason is told without the row; threads may call this at once.
        """
        with self.letters.one_at_a_time:
            self.letters.add(document, reason, place)
            self.bad += 1


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a window: rows as batches of `schema`, and `count` rows from the same snapshot.

    `count` is of the rows in the batches and of those that the source puts aside in `tally`.
    """

    schema: "pa.Schema"
    batches: "Iterator[pa.RecordBatch]"
    count: int
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of the stage: address relative to its manifest, rows, size in bytes."""

    name: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one epoch staged; written last and only if absent, so that a reader sees all or nothing.

    Counts are None where a transfer cannot know them (a module of functions). `digest` is the hash
    of the manifest's own text; the control table keeps it beside `address` in the marker. `bad_files`
    hold the rows that were put aside (see `dead_letters`); no target reads them.
    """

    address: str = ""
    digest: str = ""
    epoch: int = 0
    host: str = ""
    files: Sequence[StagedFile] = ()
    rows: int | None = None
    bad_rows: int | None = None
    filtered_rows: int | None = None
    size: int | None = None
    source_count: int | None = None
    bad_files: Sequence[StagedFile] = ()

    @property
    def bad_place(self) -> str:
        """Where a person finds the rows that were put aside; empty where there are none."""
        return f"{self.address.rpartition('/')[0]}/{self.bad_files[0].name}" if self.bad_files else ""


@dataclass(frozen=True, slots=True)
class Staged:
    """A manifest and the two ways to its rows: `paths` a system may read itself, or `batches()`.

    `batches()` streams, may be called again, and yields batches of one schema even for zero rows.
    """

    manifest: Manifest
    schema: "pa.Schema"
    paths: Sequence[str]
    batches: "Callable[[], pa.RecordBatchReader]"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The ledger's word on a window: `rows` were put there under `epoch` by `owner`."""

    epoch: int
    owner: str
    rows: int | None
    loaded_at: datetime | None = None
    changes: Mapping[str, int] = field(default_factory=dict, compare=False)  # what a merge just made of them


class Source(Protocol):
    """Where rows are read from."""

    def check(self) -> str:
        """One sentence on what answers (name, rows or files); no rows are moved."""

    def count(self, window: Window) -> int:
        """Rows with start <= time < end, now. Rows without a time are `BadData` unless ignored."""

    def read(self, window: Window) -> Reading:
        """The same rows as batches, counted in the same snapshot where the system has one."""


class Stage(Protocol):
    """Where rows rest between source and target, in a folder of their window and epoch."""

    def check(self) -> str:
        """One sentence on where it is; proves that a file can be written and removed."""

    def write(self, lock: Lock, reading: Reading) -> Manifest:
        """Write all batches, then the letters of the tally, then the manifest.

        A manifest of this epoch that the same owner wrote is answered as it is, as its reply was lost;
        another owner's, or anything of a newer epoch: `Fenced`.
        """

    def staged(self, lock: Lock) -> Staged:
        """What the marker in `lock.columns` names (manifest_address, manifest_digest).

        Raises `StageLost` when it is gone or differs, `StageElsewhere` when it is on another host.
        """

    def clear(self, lock: Lock) -> None:
        """Remove what epochs older than `lock.epoch` left of this window, but for its `stage_epoch`."""


class Target(Protocol):
    """Where rows end up."""

    def check(self) -> str:
        """One sentence on what answers; proves the right to write without changing a row."""

    def count(self, window: Window) -> int | None:
        """Rows of the target with start <= time < end, now; 0 where there is no table yet.

        None where they cannot be told from others', as rows are appended or merged.
        """

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        """Replace the window by what is staged, with its ledger row, in one transaction.

        A ledger row of a larger epoch, or of this epoch and another owner: `Fenced`, nothing changed.
        Of this epoch and owner: already done, answered from the ledger. Fewer or more rows than the
        manifest says: an error, nothing changed.
        """

    def loaded(self, lock: Lock) -> Loaded | None:
        """The ledger row of this window, or None where this pipeline never loaded it."""

    def clear(self, lock: Lock) -> None:
        """Empty the window in such a transaction; the ledger row says 0 rows."""


PutAside = Callable[[bytes, str], None]  # a row as JSON, and why


class Transform(Protocol):
    """Changes batches on the way to the stage; rows left out count as filtered."""

    def apply(self, batch: "pa.RecordBatch", put_aside: PutAside) -> "pa.RecordBatch":
        """The changed batch; of one schema for every batch, an empty one included.

        A row that does not fit is put aside instead of passed on. Raises `Misuse` for columns that are not
        there, the first time on an empty batch before any row is read.
        """


class Transfer(Protocol):
    """What the phases drive: streamed parts, a module of functions, later an engine."""

    def check(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Each part by name with its own check."""

    def source_count(self, lock: Lock) -> int:
        """Rows of the window in the source, now."""

    def target_count(self, lock: Lock) -> int | None:
        """Rows of the window in the target, now; None where they cannot be told from others."""

    def source_to_stage(self, lock: Lock) -> Manifest:
        """Stage the window under this epoch."""

    def stage_to_target(self, lock: Lock) -> Loaded:
        """Load what the marker names."""

    def loaded(self, lock: Lock) -> Loaded | None:
        """What the target's ledger says of the window; None where there is no ledger."""

    def clear_stage(self, lock: Lock) -> None:
        """Remove leftovers of older epochs."""

    def replaces(self) -> bool:
        """Whether a load takes the place of the window's rows; False where they are appended, once."""

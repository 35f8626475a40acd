"""Source → transforms → stage → target, batch by batch; rows are counted as they pass."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING

from pipeline_framework.audit.explain import do, rows
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.interfaces import (
    Loaded,
    Lock,
    Manifest,
    PutAside,
    Reading,
    Source,
    Stage,
    Staged,
    Tally,
    Target,
    Transform,
)
from pipeline_framework.signals import Expecting, Moved, emit
from pipeline_framework.windows import Window

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are put aside beyond those tolerated before a reading ends: enough to see what is wrong.
GATHERED = 1000
# A window without rows, to ask a source for its columns.
LONG_AGO = Window(datetime(1971, 1, 1, tzinfo=UTC), datetime(1971, 1, 1, 0, 0, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Placed:
    """A transform whose mistakes are told by `misuse`, with their place in a configuration."""

    transform: Transform
    misuse: Callable[[str], Misuse]

    def apply(self, batch: "pa.RecordBatch", put_aside: PutAside) -> "pa.RecordBatch":
        try:
            return self.transform.apply(batch, put_aside)
        except Misuse as wrong:
            raise self.misuse(str(wrong)) from None


@dataclass(frozen=True, slots=True)
class StreamedTransfer:
    """Moves a window through three connectors; see `interfaces.Transfer` for what each method promises.

    `tolerated`: how many of so many rows may be put aside; more of them are `BadData`.
    """

    source: Source
    stage: Stage
    target: Target
    transforms: Sequence[Transform] = ()
    tolerated: Callable[[int], int] = lambda _: 0

    def check(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "source", self.source.check
        yield "stage", self.stage.check
        yield "target", self.target.check
        if self.transforms:
            yield "transforms", self.columns

    def columns(self) -> str:
        """What the transforms make of the source's columns, and whether the target's time is among them."""
        with begun(self.source, LONG_AGO) as reading:
            names = changed(reading, self.transforms).schema.names
            for _ in reading.batches:  # what it opened closes at its end
                pass
        time = getattr(self.target, "time_field", None)
        if time and time not in names:
            raise Misuse(
                f"`target.time_field`: {time} is not among the columns behind the transforms: {names}."
            )
        return f"{len(reading.schema.names)} columns become {', '.join(names)}"

    def source_count(self, lock: Lock) -> int:
        return self.source.count(lock.window)

    def target_count(self, lock: Lock) -> int | None:
        return self.target.count(lock.window)

    def source_to_stage(self, lock: Lock) -> Manifest:
        with begun(self.source, lock.window) as given:
            most = self.tolerated(given.count)
            emit(Expecting(lock.record_id, given.count))
            reading = changed(given, self.transforms, most + GATHERED)
            manifest = self.stage.write(lock, counted(reading, lock))
        # By the manifest: it may be of an earlier reading under this epoch, and nothing of this one be read.
        most = self.tolerated(manifest.source_count or 0)
        if (manifest.bad_rows or 0) > most:
            raise too_many(lock, manifest, most, reading.tally.letters.first)
        return manifest

    def stage_to_target(self, lock: Lock) -> Loaded:
        staged = self.stage.staged(lock)
        emit(Expecting(lock.record_id, staged.manifest.rows))
        return self.target.load(lock, passing(staged, lock))

    def loaded(self, lock: Lock) -> Loaded | None:
        return self.target.loaded(lock)

    def clear_stage(self, lock: Lock) -> None:
        self.stage.clear(lock)

    def replaces(self) -> bool:
        return getattr(getattr(self.target, "write", None), "mode", "") != "append"


@contextmanager
def begun(source: Source, window: Window) -> Iterator[Reading]:
    """A window's reading, whose threads and connections end with the block, whoever remembers its errors."""
    reading = source.read(window)
    try:
        yield reading
    finally:
        getattr(reading.batches, "close", lambda: None)()


def too_many(lock: Lock, manifest: Manifest, most: int, first: str) -> BadData:
    """The error for a window of which too much was put aside."""
    bad, of = manifest.bad_rows or 0, rows(manifest.source_count or 0)
    few = f"{bad:,} of {of} of window {lock.window} {do(bad)} not fit and {most:,} may"
    why = f", the first because {first}" if first else ""
    return BadData(
        f"{few}{why}; see {manifest.bad_place}. Correct them at the source, or raise `max_bad_rows`."
    )


def changed(reading: Reading, transforms: Sequence[Transform], most: int = sys.maxsize) -> Reading:
    """The reading behind all transforms; rows they leave out are tallied as filtered.

    It ends early once more than `most` rows were put aside.
    """
    import pyarrow as pa

    # The source's tally stays its own: it may compare what it gave with what it counted.
    own, tally = Tally(letters=reading.tally.letters), Tally(letters=reading.tally.letters)
    empty = pa.RecordBatch.from_pylist([], schema=reading.schema)
    schema = through(transforms, empty, own).schema

    def batches() -> "Iterator[pa.RecordBatch]":
        for batch in reading.batches:
            out = through(transforms, batch, own)
            add_up(tally, own, reading.tally)
            yield out
            if tally.bad > most:
                return
        add_up(tally, own, reading.tally)

    return replace(reading, schema=schema, batches=batches(), tally=tally)


def through(transforms: Sequence[Transform], batch: "pa.RecordBatch", tally: Tally) -> "pa.RecordBatch":
    """A batch behind all transforms, tallied."""
    bad = tally.bad
    out = reduce(lambda changing, transform: transform.apply(changing, tally.put_aside), transforms, batch)
    tally.read += batch.num_rows
    tally.filtered += batch.num_rows - out.num_rows - (tally.bad - bad)
    return out


def add_up(tally: Tally, transforms: Tally, source: Tally) -> None:
    """Bring a tally to what transforms and source have told until now."""
    tally.read, tally.filtered = transforms.read, transforms.filtered
    tally.bad = transforms.bad + source.bad


def counted(reading: Reading, lock: Lock) -> Reading:
    """The same reading, telling of each batch that passes."""
    return replace(reading, batches=told(reading.batches, lock))


def told(batches: "Iterable[pa.RecordBatch]", lock: Lock) -> "Iterator[pa.RecordBatch]":
    """The same batches, each told of."""
    for batch in batches:
        emit(Moved(lock.record_id, batch.num_rows, batch.nbytes))
        yield batch


def passing(staged: Staged, lock: Lock) -> Staged:
    """What is staged, telling of each batch that a target takes; a target may read the files itself."""
    import pyarrow as pa

    def batches() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(staged.schema, told(staged.batches(), lock))

    return replace(staged, batches=batches)

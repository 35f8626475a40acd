"""Source → transforms → stage → target, batch by batch; rows are counted as they pass."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import pyarrow as pa

from pipeline_framework.interfaces import (
    Loaded,
    Lock,
    Manifest,
    Reading,
    Source,
    Stage,
    Tally,
    Target,
    Transform,
)
from pipeline_framework.signals import Moved, emit


@dataclass(frozen=True, slots=True)
class StreamedTransfer:
    """Moves a window through three connectors; see `interfaces.Transfer` for what each method promises."""

    source: Source
    stage: Stage
    target: Target
    transforms: Sequence[Transform] = ()

    def check(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "source", self.source.check
        yield "stage", self.stage.check
        yield "target", self.target.check

    def source_count(self, lock: Lock) -> int:
        return self.source.count(lock.window)

    def target_count(self, lock: Lock) -> int:
        return self.target.count(lock.window)

    def source_to_stage(self, lock: Lock) -> Manifest:
        reading = self.source.read(lock.window)
        return self.stage.write(lock, counted(changed(reading, self.transforms), lock))

    def manifest(self, lock: Lock) -> Manifest:
        return self.stage.staged(lock).manifest

    def stage_to_target(self, lock: Lock) -> Loaded:
        return self.target.load(lock, self.stage.staged(lock))

    def loaded(self, lock: Lock) -> Loaded | None:
        return self.target.loaded(lock)

    def clear_stage(self, lock: Lock) -> None:
        self.stage.clear(lock)

    def clear_target(self, lock: Lock) -> None:
        self.target.clear(lock)


def changed(reading: Reading, transforms: Sequence[Transform]) -> Reading:
    """The reading behind all transforms; rows they leave out are tallied as filtered."""

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        return reduce(lambda changing, transform: transform.apply(changing), transforms, batch)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reading.batches:
            out = apply(batch)
            tally_batch(reading.tally, batch.num_rows, out.num_rows)
            yield out

    empty = pa.RecordBatch.from_pylist([], schema=reading.schema)
    return replace(reading, schema=apply(empty).schema, batches=batches())


def tally_batch(tally: Tally, came: int, left: int) -> None:
    """Count a batch of `came` rows of which `left` went on."""
    tally.read += came
    tally.filtered += came - left


def counted(reading: Reading, lock: Lock) -> Reading:
    """The same reading, telling of each batch that passes."""

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reading.batches:
            emit(Moved(lock.record_id, batch.num_rows, batch.nbytes))
            yield batch

    return replace(reading, batches=batches())

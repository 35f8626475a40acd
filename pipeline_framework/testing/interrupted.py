"""Loads that are held up, stopped or killed when most of their rows are on the way."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event as ProcessEvent
from threading import Event
from time import monotonic

import pyarrow as pa

from pipeline_framework.interfaces import Loaded, Lock, Staged, Target
from pipeline_framework.testing.staged import processes

PATIENCE = 60  # seconds for what happens at once on an idle machine
LATE = "the load does not come to its last rows"


def interrupted(staged: Staged, interrupt: Callable[[], object]) -> Staged:
    """The same rows, in front of the last of which `interrupt` is called."""
    table = staged.batches().read_all()

    def rows() -> Iterator[pa.RecordBatch]:
        *first, last = table.to_batches(max_chunksize=max(1, table.num_rows // 3))
        yield from first
        interrupt()
        yield last

    return replace(staged, batches=lambda: pa.RecordBatchReader.from_batches(staged.schema, rows()))


@contextmanager
def in_mid_load(target: Target, lock: Lock, staged: Staged) -> Iterator[tuple[Future[Loaded], Event]]:
    """A load in a thread that has sent most of its rows, and goes on when the event is set."""
    reached, on = Event(), Event()

    def wait() -> None:
        reached.set()
        on.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(target.load, lock, interrupted(staged, wait))
        future.add_done_callback(lambda _: reached.set())
        try:
            assert reached.wait(PATIENCE), LATE
            if future.done():
                raise AssertionError(LATE) from future.exception()
            yield future, on
        finally:
            on.set()


@contextmanager
def signalled(
    target: Target, lock: Lock, staged: Staged, number: int
) -> Iterator[multiprocessing.process.BaseProcess]:
    """A process that sent itself that signal when most of its rows were on the way."""
    context = processes()
    reached = context.Event()
    process = context.Process(target=_load, args=(target, lock, staged, reached, number))
    process.start()
    try:
        await_either(reached, process)
        yield process
    finally:
        process.kill()
        process.join()


def await_either(reached: ProcessEvent, process: multiprocessing.process.BaseProcess) -> None:
    """Wait for the event; fail at once where the process ends before."""
    end = monotonic() + PATIENCE
    while not reached.wait(0.1):
        assert process.exitcode is None, f"{LATE}: its process ended with {process.exitcode}"
        assert monotonic() < end, LATE


def _load(target: Target, lock: Lock, staged: Staged, reached: ProcessEvent, number: int) -> None:
    def end() -> None:
        reached.set()
        os.kill(os.getpid(), number)

    target.load(lock, interrupted(staged, end))

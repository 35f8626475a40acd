"""Several streams at once, each a little ahead of whoever takes from them."""

import threading
from collections.abc import Generator, Iterable, Sequence
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")
POLL = 0.1  # seconds between looks at whether anybody still wants the items


def merged(streams: Sequence[Iterable[T]], ahead: int = 2) -> Generator[T]:
    """The items of all streams as they come, each stream run by a thread of its own.

    At most `ahead` items wait for each stream. The first error ends them all and is raised; closing the
    iterator ends them too, each at its next item.
    """
    items: Queue[T | _Ended] = Queue(ahead * len(streams))
    stop = threading.Event()
    threads = [threading.Thread(target=_feed, args=(stream, items, stop), daemon=True) for stream in streams]
    for thread in threads:
        thread.start()
    try:
        yield from _until_all_ended(items, len(threads))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class _Ended:
    """A stream's last word; with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _until_all_ended(items: "Queue[T | _Ended]", left: int) -> Generator[T]:
    while left:
        item = items.get()
        if not isinstance(item, _Ended):
            yield item
        elif item.error:
            raise item.error
        else:
            left -= 1


def _feed(stream: Iterable[T], items: "Queue[T | _Ended]", stop: threading.Event) -> None:
    try:
        for item in stream:
            if not _put(item, items, stop):
                return
        _put(_Ended(), items, stop)
    except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
        _put(_Ended(error), items, stop)


def _put(item: T | _Ended, items: "Queue[T | _Ended]", stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            items.put(item, timeout=POLL)
        except Full:
            continue
        return True
    return False

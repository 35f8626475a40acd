"""Letters are kept in order, whoever writes them, and not all in memory."""

import json
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.dead_letters import DeadLetters
from pipeline_framework.interfaces import Tally


def told(letters: DeadLetters, size: int = 1000) -> list[dict[str, str]]:
    """All letters, read back."""
    return [json.loads(line) for text, _ in letters.files(size) for line in text.splitlines()]


@given(st.lists(st.tuples(st.binary(), st.text(), st.text())), st.integers(1, 500))
def test_every_letter_comes_back(written: list[tuple[bytes, str, str]], size: int) -> None:
    """In order, whatever bytes a document holds; a line is never cut, and files count their letters."""
    letters = DeadLetters()
    for document, reason, place in written:
        letters.add(document, reason, place)
    found = told(letters, size)
    for each, (document, reason, place) in zip(found, written, strict=True):
        assert each["place"].encode("utf-8", "backslashreplace") == place.encode("utf-8", "backslashreplace")
        assert each["reason"] == reason.encode("utf-8", "backslashreplace").decode()
        assert ("document" in each) == is_text(document)
        assert document in {each.get("document", "").encode(), document if "document" not in each else b""}
    assert sum(rows for _, rows in letters.files(size)) == len(written)


def is_text(document: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        document.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_letter_says_when() -> None:
    """In UTC."""
    letters = DeadLetters()
    letters.add(b"x", "because")
    at = datetime.fromisoformat(told(letters)[0]["at"])
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_many_letters_do_not_stay_in_memory() -> None:
    """What is beyond some megabytes waits in a temporary file, and comes back in files of the asked size."""
    letters, document = DeadLetters(), b"x" * 10_000
    tracemalloc.start()
    for _ in range(5000):
        letters.add(document, "because")
    sizes = [len(text) for text, _ in letters.files(1024**2)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) > 50_000_000
    assert max(sizes) < 1.1 * 1024**2
    assert peak < 20 * 1024**2


def test_threads_put_aside_at_the_same_time() -> None:
    """No letter is lost or torn, and each is counted once."""
    tally = Tally()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: tally.put_aside(b"%d" % number, "because"), range(4000)))
    assert sorted(int(each["document"]) for each in told(tally.letters)) == list(range(4000))
    assert tally.bad == 4000


def test_a_letter_waits_for_another_thread_that_writes() -> None:
    """However short the moment is in which two could meet."""
    tally = Tally()
    other = threading.Thread(target=tally.put_aside, args=(b"x", "because"))
    with tally.letters.one_at_a_time:
        other.start()
        other.join(0.2)
        assert (other.is_alive(), tally.bad) == (True, 0)
    other.join()
    assert tally.bad == 1


def test_the_first_reason_names_its_place() -> None:
    """As a message tells it."""
    letters = DeadLetters()
    letters.add(b"x", "it is no number", "data.csv, line 7")
    letters.add(b"y", "it is no date")
    assert letters.first == "data.csv, line 7: it is no number"

"""What can be wrong with an index, as source and as target: one sentence each, nothing half-loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from implementations._search import patience
from tests.cli.conftest import FIRST
from tests.cli.mistakes import (
    ROWS,
    SECRET,
    Mistake,
    nothing_loaded,
    pipeline,
    require_empty,
    require_moved_again,
    require_told,
)

pytestmark = pytest.mark.services
NOWHERE = "http://127.0.0.1:1"
REFUSED = (
    "HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: [Errno 111] Connection "
    "refused"
)
SYSTEMS = {
    "elasticsearch": ("elasticsearch_server", "fresh_index"),
    "opensearch": ("opensearch_server", "fresh_opensearch_index"),
}


@dataclass(frozen=True)
class System:
    """A server with names for three indices that nobody else uses; `events` holds six documents."""

    kind: str
    url: str
    events: str
    flights: str
    ledger: str

    @property
    def names(self) -> dict[str, str]:
        """What its sentences have in them."""
        return {"url": self.url, "events": self.events, "flights": self.flights}

    def ask(self, method: str, path: str, **how: Any) -> Any:
        """A request past the framework."""
        return httpx.request(method, f"{self.url}/{path}", timeout=60, **how).raise_for_status().json()

    def make(self, index: str, fields: dict[str, str], *documents: dict[str, Any]) -> None:
        """An index of these fields and documents."""
        properties = {name: {"type": kind} for name, kind in fields.items()}
        self.ask("PUT", index, json={"mappings": {"properties": properties}})
        for document in documents:
            self.ask("POST", f"{index}/_doc?refresh=true", json=document)

    def spoil(self, index: str, how: str) -> None:
        """Close it, or block what is named."""
        if how == "close":
            self.ask("POST", f"{index}/_close")
        elif how:
            self.ask("PUT", f"{index}/_settings", json={f"index.blocks.{how}": True})

    def documents(self) -> list[dict[str, Any]]:
        """What is in the target."""
        self.ask("POST", f"{self.flights}/_open")
        found = self.ask("GET", f"{self.flights}/_search?size=100")["hits"]["hits"]
        return [each["_source"] for each in found]

    def source(self, **changed: Any) -> dict[str, Any]:
        """A connector that reads."""
        return {"type": self.kind, "url": self.url, "index": self.events, "time_field": "at", **changed}

    def target(self, **changed: Any) -> dict[str, Any]:
        """A connector that writes."""
        named = {"index": self.flights, "time_field": "time_hour", "ledger": self.ledger}
        return {"type": self.kind, "url": self.url, **named, **changed}


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    """Either system."""
    server, fresh = map(request.getfixturevalue, SYSTEMS[request.param])
    made = System(request.param, server, fresh(), fresh(), fresh())
    fields = {"at": "date", "n": "long", "word": "keyword", "words": "text"}
    rows = ({"at": f"2013-03-09T05:{10 * n:02}:00Z", "n": n, "word": "w"} for n in range(ROWS))
    made.make(made.events, fields, *rows)
    return made


def no_date(field: str, index: str, kind: str, part: str) -> str:
    """A field of another type."""
    return (
        f"The time field {field} of index {{{index}}} is {kind}, not a date: name another with "
        f"`{part}.time_field`."
    )


def shut(index: str, how: str, part: str) -> str:
    """An index that is there and answers nothing."""
    return f"{{url}} says that index {{{index}}} is {how}, or name another with `{part}.index`."


def blocked(index: str, what: str) -> str:
    """As the server says it."""
    why = f"cluster_block_exception: index [{{{index}}}] blocked by: [FORBIDDEN/{what} (api)];"
    return f"blocked ({why}): lift the block in its settings"


CLOSED = "closed (index_closed_exception: closed): open it"
READING = {
    "no index": Mistake(
        {"index": "evnts"},
        "{url} has no index evnts (index_not_found_exception: no such index [evnts]): correct "
        "`source.index`.",
    ),
    "no time field": Mistake(
        {"time_field": "hapened"},
        "index {events} has no field hapened at the top: correct `source.time_field`.",
    ),
    "time is a keyword": Mistake({"time_field": "word"}, no_date("word", "events", "keyword", "source")),
    "time is text": Mistake({"time_field": "words"}, no_date("words", "events", "text", "source")),
    "close": Mistake({}, shut("events", CLOSED, "source")),
    "read": Mistake({}, shut("events", blocked("events", "7/index read"), "source")),
}


@pytest.mark.parametrize("what", READING)
def test_a_source_says_what_is_wrong_with_it(system: System, what: str, tmp_path: Path) -> None:
    """The index, the key and the remedy; nothing comes to the target."""
    system.spoil(system.events, what if not READING[what].keys else "")
    mistaken = pipeline(tmp_path, source=system.source(**READING[what].keys))
    require_told(mistaken, READING[what], **system.names)
    assert nothing_loaded(mistaken)


def test_a_source_without_rows_is_empty_and_one_huge_row_is_moved(system: System, tmp_path: Path) -> None:
    """Neither is a mistake."""
    moving = pipeline(tmp_path, source=system.source(index=system.flights))
    system.make(system.flights, {"at": "date", "words": "text"})
    require_empty(moving)
    huge = {"at": "2013-03-09T05:00Z", "words": "x" * 5_000_000}
    system.ask("POST", f"{system.flights}/_doc?refresh=true", json=huge)
    require_moved_again(moving)
    assert moving.target("SELECT length(words) FROM flights") == [5_000_000]


UNFIT = (
    "Column n of index {flights} is keyword, what is staged for it is int64 and does not fit unchanged: cast "
    "it at the source, or load into another index."
)
FROZEN = (
    "Index {flights} has no field n, which is staged, and `target.contract: freeze` adds none: add it, or "
    "let the contract `evolve` or `discard` it."
)
NO_FIELD = "index {flights} has no field time_hour at the top: correct `target.time_field`."
TIMED = {"time_hour": "date", "n": "long"}
WRITING: dict[str, tuple[dict[str, str], Mistake]] = {
    "no time field": ({"n": "long"}, Mistake({}, NO_FIELD)),
    "time is a keyword": (
        {"time_hour": "keyword"},
        Mistake({}, no_date("time_hour", "flights", "keyword", "target")),
    ),
    "time is text": ({"time_hour": "text"}, Mistake({}, no_date("time_hour", "flights", "text", "target"))),
    "time is a number": (
        {"time_hour": "long"},
        Mistake({}, no_date("time_hour", "flights", "long", "target")),
    ),
    "field of another type": (TIMED | {"n": "keyword"}, Mistake({}, UNFIT, 1, checked=False)),
    "a column too many, frozen": (
        {"time_hour": "date"},
        Mistake({"contract": "freeze"}, FROZEN, 1, checked=False),
    ),
    "write": (TIMED, Mistake({}, shut("flights", blocked("flights", "8/index write"), "target"))),
    "close": (TIMED, Mistake({}, shut("flights", CLOSED, "target"))),
}


@pytest.mark.parametrize("what", WRITING)
def test_a_target_says_what_is_wrong_with_its_index(system: System, what: str, tmp_path: Path) -> None:
    """The field, its type and what can be done; the document that was there is as it was, and alone."""
    fields, mistake = WRITING[what]
    system.make(system.flights, fields, {"m": 7})
    system.spoil(system.flights, what if what in {"write", "close"} else "")
    mistaken = pipeline(tmp_path, target=system.target(**mistake.keys))
    require_told(mistaken, mistake, **system.names)
    assert system.documents() == [{"m": 7}]


def rows_of(folder: Path, characters: int, rows: int = 1) -> None:
    """The source's file: so many rows with a word of so many characters."""
    times = pa.array([FIRST] * rows, pa.timestamp("us", "UTC"))
    pq.write_table(
        pa.table({"time_hour": times, "word": ["x" * characters] * rows}), folder / "data" / "0.parquet"
    )


def test_a_target_takes_no_rows_and_one_huge_row(system: System, tmp_path: Path) -> None:
    """A keyword has 32,766 bytes at most: longer ones are kept, and not found by their word."""
    moving = pipeline(tmp_path, target=system.target())
    rows_of(tmp_path, 1, rows=0)
    require_empty(moving)
    rows_of(tmp_path, 5_000_000)
    require_moved_again(moving)
    assert [len(each["word"]) for each in system.documents()] == [5_000_000]


def test_a_row_larger_than_any_request_may_be_is_told(system: System, tmp_path: Path) -> None:
    """`http.max_content_length` is 100 MB where nobody changed it; no row of the window is there."""
    said = (
        "{url} takes no request as large as one with what is loaded into index {flights} (status 413): raise "
        "its limit (`http.max_content_length`, a proxy's, or its memory), or shorten the row at the source."
    )
    mistaken = pipeline(tmp_path, target=system.target())
    rows_of(tmp_path, 110_000_000)
    require_told(mistaken, Mistake({}, said, 1, checked=False), **system.names)
    assert system.documents() == []


@pytest.mark.parametrize("part", ["source", "target"])
def test_a_server_that_is_not_there_is_told(
    system: System, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address without the password, and the key; `check` asks once and waits for nobody."""
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    said = f"{NOWHERE} does not answer ({REFUSED}): start it, or correct `{part}.url`."
    keys = getattr(system, part)(url=NOWHERE.replace("//", f"//me:{SECRET}@"))
    mistaken = pipeline(tmp_path, **{part: keys})
    require_told(mistaken, Mistake({}, said, 1))
    monkeypatch.setattr(patience, "again", lambda: pytest.fail("it waits"))
    assert f"BAD  {part}: {said}" in mistaken("check").out

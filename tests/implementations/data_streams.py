"""Data streams as sources and as targets, to be run on each system that has them."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations._search.source import SearchSource
from implementations._search.target import SearchTarget
from pipeline_framework.errors import Misuse
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import WINDOW, lock_for

TIME = "@timestamp"
FIELDS = {"n": {"type": "long"}, "host": {"properties": {"name": {"type": "keyword"}}}}


@dataclass
class Stream:
    """A data stream of a server, to which a test adds; it is made by its first document."""

    server: str
    name: str

    def describe(self, properties: Mapping[str, Any]) -> None:
        """What the backing indices that are made from now on look like."""
        settings = {"number_of_shards": 2, "number_of_replicas": 0}
        template = {"settings": settings, "mappings": {"properties": properties}}
        body = {"index_patterns": [self.name], "data_stream": {}, "template": template, "priority": 1}
        url = f"{self.server}/_index_template/{self.name}"
        httpx.put(url, json=body, timeout=60).raise_for_status()

    def add(self, *numbers: int, **more: object) -> None:
        """Documents of one second after the other, findable at once."""
        documents = [{TIME: told(number), "n": number, "host": {"name": "ä"}, **more} for number in numbers]
        body = "".join(f'{{"create": {{}}}}\n{json.dumps(each)}\n' for each in documents)
        kind = {"Content-Type": "application/x-ndjson"}
        url = f"{self.server}/{self.name}/_bulk?refresh=true"
        answer = httpx.post(url, content=body.encode(), headers=kind, timeout=60).raise_for_status().json()
        assert not answer["errors"], answer

    def roll_over(self) -> None:
        """A new backing index takes the documents that come now."""
        url = f"{self.server}/{self.name}/_rollover"
        answer = httpx.post(url, timeout=60).raise_for_status().json()
        assert answer["rolled_over"], answer


def told(second: int) -> str:
    """An instant of the window."""
    at: datetime = WINDOW.start + timedelta(seconds=second)
    return at.isoformat()


class DataStreams:
    """What holds for every system; the fixture `server`, `reads` and `loads` say which one it is.

    Nothing but a server's end deletes a stream in every system.
    """

    reads: type[SearchSource]
    loads: type[SearchTarget]

    @pytest.fixture
    def stream(self, server: str) -> Stream:
        """One that its template describes."""
        stream = Stream(server, f"stream-{secrets.token_hex(6)}")
        stream.describe(FIELDS)
        return stream

    @pytest.fixture
    def source(self, stream: Stream) -> SearchSource:
        """Reads it."""
        return self.reads(SecretStr(stream.server), stream.name, TIME)

    @pytest.fixture
    def target(self, stream: Stream) -> SearchTarget:
        """Would load into it."""
        return self.loads(SecretStr(stream.server), stream.name, TIME, ledger=f"loads-{stream.name}")

    def test_windows_are_counted_and_read_over_every_backing_index(
        self, stream: Stream, source: SearchSource
    ) -> None:
        """Each document once, in slices and pages that cut across the indices."""
        for first in (0, 20, 40):
            stream.add(*range(first, first + 20))
            stream.roll_over()
        for slices, page_rows in ((1, 7), (2, 7), (5, 1000)):
            reading = replace(source, slices=slices, page_rows=page_rows).read(WINDOW)
            rows = table_of(reading)
            assert (reading.count, sorted(rows["n"].to_pylist())) == (60, list(range(60)))
        assert source.count(WINDOW) == 60
        half = replace(WINDOW, end=WINDOW.start + timedelta(seconds=30))
        assert source.count(half) == table_of(source.read(half)).num_rows == 30

    def test_a_rollover_in_the_middle_of_a_reading_changes_nothing(
        self, stream: Stream, source: SearchSource
    ) -> None:
        """Nor does what comes into the new index: the point in time is over the indices that were there."""
        stream.add(*range(20))
        reading = replace(source, slices=1, page_rows=3).read(WINDOW)
        rows = [next(reading.batches)]
        stream.roll_over()
        stream.add(*range(20, 30))
        rows += reading.batches
        assert sorted(pa.Table.from_batches(rows)["n"].to_pylist()) == list(range(20))
        assert (reading.count, source.count(WINDOW)) == (20, 30)

    def test_the_schema_is_the_union_of_the_backing_indices(
        self, stream: Stream, source: SearchSource
    ) -> None:
        """A field that came with a later template is NULL before it."""
        stream.add(0)
        stream.describe({**FIELDS, "level": {"type": "keyword"}})
        stream.roll_over()
        stream.add(1, level="warn")
        table = table_of(source.read(WINDOW)).sort_by("n")
        assert table["level"].to_pylist() == [None, "warn"]
        assert table.schema.field(TIME).type == pa.timestamp("us", "UTC")
        assert table["host"].to_pylist() == [{"name": "ä"}, {"name": "ä"}]

    def test_a_field_whose_type_changed_is_told_of_and_can_be_declared(
        self, stream: Stream, source: SearchSource
    ) -> None:
        """The remedy in the sentence is one."""
        stream.add(0)
        stream.describe({**FIELDS, "n": {"type": "double"}})
        stream.roll_over()
        stream.add(1)
        with pytest.raises(Misuse, match=r"Field n is .* in another: declare `source.columns.n`"):
            source.read(WINDOW)
        declared = replace(source, columns={"n": "double"})
        assert sorted(table_of(declared.read(WINDOW))["n"].to_pylist()) == [0.0, 1.0]

    def test_check_says_what_is_there(self, stream: Stream, source: SearchSource) -> None:
        """One sentence; a stream without a document is none yet, however many templates name it."""
        with pytest.raises(Misuse, match=rf"has no index {stream.name} .*: correct `source.index`") as none:
            source.check()
        assert "\n" not in str(none.value)
        stream.add(*range(3))
        stream.roll_over()
        assert source.check() == (
            f"index {stream.name}: 3 documents of 3 fields, time field @timestamp (date)"
        )

    def test_a_stream_is_no_target(self, stream: Stream, target: SearchTarget, tmp_path: Path) -> None:
        """It takes new documents alone, so that no window could be replaced: refused before a change."""
        stream.add(0)
        times = pa.array([WINDOW.start], pa.timestamp("us", "UTC"))
        staged = staged_in(tmp_path, pa.table({TIME: times, "more": [1]}))
        lock = lock_for()
        asks: list[Callable[[], object]] = [
            target.check,
            lambda: target.load(lock, staged),
            lambda: target.clear(lock),
        ]
        for ask in asks:
            with pytest.raises(Misuse, match=rf"index {stream.name} is a data stream.*`target.index`") as no:
                ask()
            assert "\n" not in str(no.value)
        self.nothing_changed(stream, target)

    def test_a_stream_that_a_template_would_make_is_no_target(
        self, stream: Stream, target: SearchTarget, tmp_path: Path
    ) -> None:
        """The server makes no index of that name, and no document gets in."""
        times = pa.array([WINDOW.start], pa.timestamp("us", "UTC"))
        staged = staged_in(tmp_path, pa.table({TIME: times, "more": [1]}))
        with pytest.raises(Misuse, match=r"creates data streams only") as refused:
            target.load(lock_for(), staged)
        assert "\n" not in str(refused.value)
        assert httpx.get(f"{stream.server}/{stream.name}/_count").status_code == 404

    def nothing_changed(self, stream: Stream, target: SearchTarget) -> None:
        """Neither documents nor mapping nor ledger."""
        assert httpx.get(f"{stream.server}/{stream.name}/_count").json()["count"] == 1
        mapping = httpx.get(f"{stream.server}/{stream.name}/_mapping").json()
        assert not [each for each in mapping.values() if "more" in each["mappings"]["properties"]]
        assert httpx.get(f"{stream.server}/{target.ledger}").status_code == 404

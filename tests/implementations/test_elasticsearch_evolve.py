"""Fields that a mapping does not know, kept in a column of JSON, on a real server."""

from collections.abc import Callable

import pytest

from pipeline_framework.errors import Misuse
from pipeline_framework.testing.source_contract import table_of
from tests.implementations.test_elasticsearch import FIRST, WINDOW, Index

pytestmark = pytest.mark.services
FROZEN = {
    "at": {"type": "date"},
    "n": {"type": "long"},
    "part": {"type": "object", "dynamic": False, "properties": {"a": {"type": "long"}}},
}


@pytest.fixture
def index(elasticsearch_server: str, fresh_index: Callable[[], str]) -> Index:
    """An index whose object `part` may hold more than its mapping says."""
    return Index(elasticsearch_server, fresh_index()).made(FROZEN)


def test_unknown_fields_come_in_one_column(index: Index) -> None:
    """Digits as they were sent, beside the columns that are known; a page without any has none."""
    index.add(
        {"at": FIRST.isoformat(), "n": 1, "part": {"a": 1, "b": 2**63 + 1, "c": [0.10, {"d": None}]}},
        {"at": FIRST.isoformat(), "n": 2, "part": {"a": 2}},
    )
    reading = index.source(schema="evolve", extra_column="more", id_column="id", slices=1, page_rows=1).read(
        WINDOW
    )
    table = table_of(reading)
    assert reading.schema.names == ["at", "n", "part", "more", "id"]
    found = {row["n"]: (row["part"], row["more"]) for row in table.to_pylist()}
    assert found == {
        1: ({"a": 1}, '{"part":{"b":9223372036854775809,"c":[0.1,{"d":null}]}}'),
        2: ({"a": 2}, None),
    }
    assert reading.tally.bad == 0


def test_a_field_of_that_name_is_refused(index: Index) -> None:
    """Before anything is read."""
    with pytest.raises(Misuse, match="extra_column"):
        index.source(schema="evolve", extra_column="n").read(WINDOW)

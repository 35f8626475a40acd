"""Scopes narrow statements, and overlap or not, by the database's own comparison."""

from collections.abc import Iterator, Mapping

import duckdb
import pytest

from implementations.duckdb import DuckDBWords
from implementations.loading import scopes
from implementations.loading.dialect import Table
from pipeline_framework.errors import BadData


@pytest.fixture
def words() -> Iterator[DuckDBWords]:
    with duckdb.connect(":memory:") as connection:
        connection.execute('CREATE TABLE t ("at" TIMESTAMP, "Carrier" VARCHAR, number INTEGER)')
        yield DuckDBWords(connection)


def table(scope: Mapping[str, str | int]) -> Table:
    return Table("main", "t", "at", scope)


def test_the_predicate_casts_to_the_columns_own_type(words: DuckDBWords) -> None:
    """Quotes are doubled, names are spelled as the table has them."""
    present = words.columns(table({}))
    said = scopes.predicate(words, table({"carrier": "it's", "number": 7}), present)
    assert said == " AND \"Carrier\" = CAST('it''s' AS VARCHAR) AND \"number\" = CAST('7' AS INTEGER)"
    assert scopes.predicate(words, table({}), present) == ""


def test_a_column_that_is_not_there_is_named(words: DuckDBWords) -> None:
    """With the nearest one."""
    with pytest.raises(BadData, match=r"carier.*nearest is Carrier"):
        scopes.predicate(words, table({"carier": "AA"}), words.columns(table({})))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ({"carrier": "AA"}, '{"carrier": "DL"}', False),
        ({"carrier": "AA"}, '{"carrier": "AA"}', True),
        ({"carrier": "AA"}, "", True),
        ({}, '{"carrier": "AA"}', True),
        ({"carrier": "AA"}, '{"number": 7}', True),
        ({"number": "07"}, '{"number": 7}', True),
        ({"carrier": "07"}, '{"carrier": "7"}', False),
        ({"nowhere": "07"}, '{"nowhere": 7}', False),
        ({"nowhere": "7"}, '{"nowhere": 7}', True),
    ],
)
def test_scopes_are_apart_where_one_column_differs(
    words: DuckDBWords, one: Mapping[str, str | int], other: str, meet: bool
) -> None:
    """To an integer '07' and 7 are one value, to a text they are two; without the column, text decides."""
    assert scopes.overlap(words, table(one), other) is meet

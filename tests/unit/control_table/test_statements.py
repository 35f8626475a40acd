"""Named SQL: one text, two databases."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_framework.control_table import statements
from pipeline_framework.control_table.states import MOVES

DIALECTS = ["postgresql", "sqlite"]


@pytest.fixture
def sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in the place of `sql/`."""
    statements.load.cache_clear()
    monkeypatch.setattr(statements, "folder", lambda: tmp_path)
    yield tmp_path
    statements.load.cache_clear()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_fragment_is_filled_in(dialect: str) -> None:
    """No brace is left, and no comment."""
    for statement in statements.load(dialect).values():
        assert not re.search(r"[{}]|^\s*--", statement.text, re.MULTILINE), statement


def test_both_databases_have_the_same_fragments() -> None:
    """A fragment that one lacks would show only there."""
    assert statements.POSTGRESQL.keys() == statements.SQLITE.keys()


def test_only_fragments_differ_between_the_databases(sql: Path) -> None:
    """Elsewhere the text is the same; a fragment gets its argument and the statement's name."""
    text = "-- fragment: part\n-- says it\nmove = '{this}', at = {seconds_from_now:{it}}\n\n"
    (sql / "a.sql").write_text(text + "-- name: go\n-- why\nUPDATE t SET {part::lease} WHERE a = :a;\n")
    both = [statements.load(dialect)["go"].text for dialect in DIALECTS]
    assert all(
        one.startswith("UPDATE t SET move = 'go', at = ") and one.endswith(" WHERE a = :a") for one in both
    )
    assert "make_interval(secs => CAST(:lease" in both[0]
    assert "printf('%+.3f seconds', :lease)" in both[1]


def test_statement_knows_whether_it_writes(sql: Path) -> None:
    """A reader of SQLite does not take the write lock; a row lock of PostgreSQL is no writing."""
    (sql / "reports").mkdir()
    (sql / "reports" / "a.sql").write_text(
        "-- name: look\nSELECT 1 {for_update};\n\n-- name: write\nDELETE FROM t;\n"
    )
    loaded = statements.load("postgresql")
    assert (loaded["look"].writes, loaded["write"].writes) == (False, True)


def test_every_move_writes() -> None:
    """And so takes SQLite's write lock from the start."""
    for dialect in DIALECTS:
        assert all(statements.load(dialect)[move].writes for move in MOVES)


def test_unknown_fragment_is_told(sql: Path) -> None:
    """The statement and the name that nobody knows."""
    (sql / "a.sql").write_text("-- name: go\nSELECT {nonsense};\n")
    with pytest.raises(ValueError, match=r"statement go asks for \{nonsense\}"):
        statements.load("sqlite")


def test_name_is_given_once(sql: Path) -> None:
    """Two files with a statement of the same name would hide one another."""
    for file in ("a.sql", "b.sql"):
        (sql / file).write_text("-- name: go\nSELECT 1;\n")
    with pytest.raises(ValueError, match="two statements are named go"):
        statements.load("sqlite")


def test_rows_are_chosen_once_before_they_are_changed() -> None:
    """A choice that a planner folds into the UPDATE may be made again for each row: LIMIT 1 would claim two.

    PostgreSQL bug 15715; today the row locks keep it from doing so, tomorrow the word still does.
    """
    for move in MOVES:
        choices = re.findall(r"WITH \w+ AS (\w+)", statements.load("postgresql")[move].text)
        assert set(choices) <= {"MATERIALIZED"}, move

"""${NAME}, ${NAME:-default} and $$."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.config.variables import Expansion

ENVIRONMENT = {"HOST": "db.example", "EMPTY": "", "DOLLAR": "${HOST}$$", "DB_PASSWORD": "hunter22", "N": "5"}


def expanded(value: Any) -> tuple[Any, Expansion]:
    expansion = Expansion(ENVIRONMENT)
    return expansion.expanded(value), expansion


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("${HOST}", "db.example"),
        ("x-${HOST}:${N}", "x-db.example:5"),
        ("${HOST:-other}", "db.example"),
        ("${NONE:-other}", "other"),
        ("${NONE:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${NONE:-a b/c:d-e}", "a b/c:d-e"),
        ("$$", "$"),
        ("$${HOST}", "${HOST}"),
        ("costs $5", "costs $5"),
        ("$HOST", "$HOST"),
        ("${DOLLAR}", "${HOST}$$"),
        ("{window_start:%Y}", "{window_start:%Y}"),
    ],
)
def test_texts_are_expanded_once(written: str, becomes: str) -> None:
    """As in a shell, and what came out of the environment is left alone."""
    value, expansion = expanded({"a": [written]})
    assert value == {"a": [becomes]}
    assert not expansion.mistakes


def test_an_unset_variable_names_key_and_remedy() -> None:
    """Export it, or give a default."""
    _, expansion = expanded({"control": {"url": "${NONE}"}})
    (mistake,) = expansion.mistakes
    assert mistake.key == ("control", "url")
    assert mistake.problem == (
        "NONE is not set in the environment. Export NONE, or give a default: ${NONE:-value}."
    )


@pytest.mark.parametrize("written", ["${", "${}", "${HOST", "${1A}", "${HOST-x}", "${A:-${B}}", "${ HOST }"])
def test_half_written_variables_are_mistakes(written: str) -> None:
    """A typing error does not reach a database as text."""
    _, expansion = expanded({"a": written})
    assert "Write ${NAME}, ${NAME:-default}, or $$" in expansion.mistakes[0].problem


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_characters_that_are_no_text_are_mistakes(text: str) -> None:
    """They could be stored nowhere."""
    _, expansion = expanded({"a": text})
    assert "no text" in expansion.mistakes[0].problem


def test_values_are_remembered_by_their_variable() -> None:
    """So that errors can say the name; very short values would blot out ordinary words."""
    _, expansion = expanded(["${HOST}", "${N}", "${DB_PASSWORD}"])
    assert expansion.written == {"db.example": "${HOST}", "hunter22": "${DB_PASSWORD}"}
    assert expansion.secret == {(2,)}


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="$\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(TREES)
def test_a_tree_without_dollars_is_left_as_it_is(tree: Any) -> None:
    """Numbers, booleans, keys and structure pass untouched."""
    value, expansion = expanded(tree)
    assert value == tree
    assert not expansion.mistakes


@given(st.text())
def test_any_text_expands_or_is_a_mistake(text: str) -> None:
    """Nothing is raised, and doubled dollars give the text back."""
    expanded({"a": text})
    value, expansion = expanded({"a": text.replace("$", "$$")})
    assert value == {"a": text}
    assert all("no text" in mistake.problem for mistake in expansion.mistakes)

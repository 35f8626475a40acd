"""Whatever stands in a file, loading gives a configuration or a `Misuse`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline_framework.config import load_final_config, shown
from pipeline_framework.config.final import KNOWN
from pipeline_framework.errors import Misuse

FILE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD: dict[str, Any] = {
    "pipeline_id": "a",
    "granularity": "1h",
    "start": "2024-01-01",
    "source": {"type": "files"},
    "stage": {"type": "local"},
    "target": {"type": "duckdb"},
}
WORDS = st.sampled_from([*KNOWN, "url", "conn_id", "type", "password", "auto_migrate", "x"])
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "${HOME}",
            "${",
            "$$",
            "{window_start:%H}",
            "{",
            "2024-01-01",
            "sqlite:///x",
            "postgresql://u:p@[h/d",
        ]
    ),
    st.sampled_from(
        ["0h", "1d", "America/New_York", "a:b", "9999-12-31", "0001-01-01", "monday", "http://a:b@c?token=d"]
    ),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


def loaded_or_told(path: Path) -> None:
    """Load; each mistake must be a line that begins with the file."""
    told = refusal(path).splitlines()
    assert [line for line in told if line.strip() and not line.startswith(str(path))] == []


def refusal(path: Path) -> str:
    """What is said about a file; nothing when it loads and can be shown."""
    try:
        config = load_final_config(path)
    except Misuse as error:
        return str(error)
    yaml.safe_dump(shown(config))
    return ""


@FILE
@given(st.dictionaries(WORDS, VALUES, max_size=6))
@example({"start": "9999-12-31"})
@example({"timezone": "America"})
@example({"timezone": "two\nlines\x1e", "a\nb": 1})
@example({"control": {"url": "postgresql://h:99999/d"}})
def test_any_mapping_loads_or_is_told(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """A good file with any values in any keys, as YAML and as JSON."""
    (tmp_path / "p.yml").write_text(yaml.safe_dump({**GOOD, **wrong}, allow_unicode=True), encoding="utf-8")
    loaded_or_told(tmp_path / "p.yml")
    (tmp_path / "p.json").write_text(json.dumps({**GOOD, **wrong}))
    loaded_or_told(tmp_path / "p.json")


@FILE
@given(st.text(), st.sampled_from(["p.yml", "p.json", "p.toml"]))
@example("a: &a [*a]", "p.yml")
@example("? ? a", "p.yml")
@example("%TAG ! tag:x,2000:\n---\na: !b c", "p.yml")
@example('{"a": 1e999}', "p.json")
@example("a" * 5000, "p.yml")
@example(f"start: {'9' * 5000}", "p.yml")
@example(f'{{"start": {"9" * 5000}}}', "p.json")
@example(f"start = {'9' * 5000}", "p.toml")
def test_any_text_loads_or_is_told(tmp_path: Path, text: str, name: str) -> None:
    """Also text that is no YAML, JSON or TOML at all."""
    (tmp_path / name).write_bytes(text.encode("utf-8", "replace"))
    loaded_or_told(tmp_path / name)


SYNTAX = st.lists(st.sampled_from([*"[]{}:,-&*!|>'\"%@#\n ?a1\t$"]), max_size=25).map("".join)


@FILE
@given(SYNTAX, st.sampled_from(["p.yml", "p.json", "p.toml"]))
def test_any_soup_of_syntax_loads_or_is_told(tmp_path: Path, text: str, name: str) -> None:
    """The characters that parsers stumble over, in any order."""
    (tmp_path / name).write_text(f"{text}\n")
    loaded_or_told(tmp_path / name)


@FILE
@given(st.binary(max_size=40))
def test_any_bytes_load_or_are_told(tmp_path: Path, content: bytes) -> None:
    """Not even text."""
    (tmp_path / "p.yml").write_bytes(content)
    loaded_or_told(tmp_path / "p.yml")


@FILE
@given(st.text(st.characters(exclude_characters="$\0{}\"'", exclude_categories=["Cs", "Cc"]), min_size=9))
def test_no_password_is_in_an_error(tmp_path: Path, password: str) -> None:
    """Whatever it looks like, and wherever an address with it is wrong."""
    parts = {
        **GOOD,
        "source": {"password": f"pw-{password}"},
        "control": {"url": f"mysql://u:pw-{password}@h/d"},
    }
    (tmp_path / "p.json").write_text(json.dumps(parts))
    with pytest.raises(Misuse) as caught:
        load_final_config(tmp_path / "p.json")
    assert f"pw-{password}" not in str(caught.value).replace(str(tmp_path), "")

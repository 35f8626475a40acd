"""Secrets show in no form of a configuration but the one that opens a connection."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline_framework.config import FinalConfig, secrets, shown
from pipeline_framework.config.secrets import HIDDEN

PASSWORD = "hunter22-öß"
FILE = f"""
pipeline_id: flights
granularity: 2h
start: 2013-01-01
control: {{url: "postgresql://user:{PASSWORD}@host/db?sslmode=require"}}
source:
  type: elasticsearch
  url: https://elastic:{PASSWORD}@host:9200
  password: {PASSWORD}
  auth: {{api_key: {PASSWORD}, hosts: [a, b]}}
  headers: ["x?token={PASSWORD}"]
  index: ${{ES_TOKEN}}
stage: {{type: local, path: stage}}
target: {{type: duckdb, path: x.duckdb, table: t, dsn: "host=h password={PASSWORD} dbname=d"}}
transforms: [{{type: mask, secret: {PASSWORD}}}]
"""


@pytest.fixture
def config(load: Callable[..., FinalConfig], monkeypatch: pytest.MonkeyPatch) -> FinalConfig:
    """A configuration with a password in every place where one can stand."""
    monkeypatch.setenv("ES_TOKEN", f"{PASSWORD}-2")
    return load(FILE)


@pytest.mark.parametrize(
    "look",
    [
        repr,
        str,
        lambda config: repr(config.model_dump()),
        lambda config: config.model_dump_json(),
        lambda config: str(dict(config)),
        lambda config: repr(vars(config)),
        lambda config: repr(config.control),
        lambda config: repr(config.source),
        lambda config: repr(config.control_found),
        lambda config: yaml.safe_dump(shown(config), allow_unicode=True),
        lambda config: repr(config.for_functions()),
        lambda config: repr(copy.deepcopy(config)),
        lambda config: repr(pickle.loads(pickle.dumps(config))),  # noqa: S301 - our own bytes
        lambda config: str(config.misuse(("source",), f"{PASSWORD} was refused.")),
        lambda config: repr(config._places),
    ],
)
def test_no_look_at_a_configuration_shows_a_secret(
    config: FinalConfig, look: Callable[[FinalConfig], str]
) -> None:
    """Neither representation, dump, copy nor error holds the password."""
    assert PASSWORD not in look(config)


def test_what_opens_a_connection_has_it(config: FinalConfig) -> None:
    """The address of the control database and the revealed settings are complete."""
    assert config.control_url == f"postgresql://user:{PASSWORD}@host/db?sslmode=require"
    revealed = secrets.revealed(config.source)
    assert revealed["auth"] == {"api_key": PASSWORD, "hosts": ["a", "b"]}
    assert revealed["index"] == f"{PASSWORD}-2"


def test_shown_keeps_what_is_no_secret(config: FinalConfig) -> None:
    """An address is still readable, and so is everything beside a secret."""
    values = shown(config)
    assert values["control"]["url"] == f"postgresql://user:{HIDDEN}@host/db?sslmode=require"
    assert values["source"]["auth"] == {"api_key": HIDDEN, "hosts": ["a", "b"]}
    assert values["target"]["dsn"] == f"host=h password={HIDDEN} dbname=d"


def test_own_settings_are_in_clear_for_functions(load: Callable[..., FinalConfig]) -> None:
    """A module's functions get its password, and nothing of the control database."""
    config = load(
        "{pipeline_id: a, granularity: 1h, start: 2024-01-01, implementation: m, "
        "control: {url: 'postgresql://u:control-pw@h/d'}, settings: {bucket: b, password: own-pw}}"
    )
    functions = config.for_functions()
    assert (functions["bucket"], functions["password"]) == ("b", "own-pw")
    assert "control-pw" not in repr(functions)
    assert "own-pw" not in repr(config)


@pytest.mark.parametrize(
    ("address", "shown_as"),
    [
        ("postgresql://u:p@h/d", f"postgresql://u:{HIDDEN}@h/d"),
        ("postgresql://u:p@ss@w/rd@h/d", f"postgresql://u:{HIDDEN}@h/d"),
        ("https://:p@h", f"https://:{HIDDEN}@h"),
        ("postgresql://h/d?user=u&password=p&x=1", f"postgresql://h/d?user=u&password={HIDDEN}&x=1"),
        ("https://h/?sig=abc", f"https://h/?sig={HIDDEN}"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("sqlite:///control.db", "sqlite:///control.db"),
        ("data/*.parquet", "data/*.parquet"),
        ("12:30@noon", "12:30@noon"),
    ],
)
def test_addresses_lose_only_their_password(address: str, shown_as: str) -> None:
    """Everything between the first colon and the last @ is the password, whatever is in it."""
    assert secrets.safe(address) == shown_as


@pytest.mark.parametrize(
    "key", ["password", "db_password", "API_KEY", "secret_key", "token", "private_key", "pwd"]
)
def test_keys_named_like_secrets_hold_secrets(key: str) -> None:
    """Also inside lists and mappings below such a key."""
    for value in ("x", ["x"], {"inner": "x"}):
        assert "'x'" not in repr(secrets.concealed({key: value})).replace("'inner'", "")


@pytest.mark.parametrize("key", ["key_x", "primary_key", "table", "passenger", "tokens_per_row", "path"])
def test_other_keys_stay_readable(key: str) -> None:
    """A column named key is no secret."""
    assert secrets.concealed({key: "x"}) == {key: "x"}


LEAVES = st.none() | st.integers() | st.text()
NAMES = st.sampled_from(["password", "table", "token", "path"])
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)


@given(TREES)
def test_concealing_loses_nothing(tree: Any) -> None:
    """What is concealed and revealed is the same tree, whatever it holds."""
    assert secrets.revealed(secrets.concealed(tree)) == tree


def test_hidden_values_are_plain() -> None:
    """YAML can write them: no tuple, no SecretStr."""
    assert secrets.hidden({"a": (1, SecretStr("x"))}) == {"a": [1, HIDDEN]}

"""From names in a configuration to connectors, modules and functions."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline_framework import registry
from pipeline_framework.config import FinalConfig, load_final_config
from pipeline_framework.errors import Misuse

CONTRACT = """\
pipeline_id: flights
granularity: 2h
start: 2013-01-01
source: {type: files, path: "data/*.parquet", time_field: time_hour}
stage: {type: local, path: stage}
target: {type: duckdb, path: warehouse.duckdb, table: flights, time_field: time_hour}
"""
MODULE = "pipeline_id: a\ngranularity: 1h\nstart: 2024-01-01\nimplementation: my_pipeline\n"
OWN = '''\
from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SecretStr

from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import InputPath


@dataclass(frozen=True)
class OwnSource:
    """A source of somebody else's."""

    path: InputPath
    password: SecretStr = SecretStr("")
    token: str = ""
    pages: int = 1
    seen: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.pages == 7:
            raise ValueError(f"Seven pages are too many, {self.token}.")
        if self.pages == 8:
            raise Misuse("Eight pages are too many.")
        if self.pages == 9:
            raise KeyError("nine")

    def check(self): ...
    def count(self, window): ...
    def read(self, window): ...


@dataclass(frozen=True)
class Half:
    """Lacks read."""

    def check(self): ...
    def count(self, window): ...


@dataclass(frozen=True)
class Double:
    """A transform."""

    factor: int = 2

    def apply(self, batch, put_aside): ...


class Plain:
    """No dataclass."""


def maker(final_config, record):
    return f"{record['window_start_time']:%H}-{record['TARGET_DAY']}-{final_config['pipeline_id']}"


def number(final_config, record):
    return 5


def broken(final_config, record):
    return record["nothing"]
'''
Load = Callable[..., FinalConfig]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a text as pipeline.yml, with a module of connectors and functions beside it."""
    monkeypatch.delenv("PIPELINE_STATE_DIR", raising=False)
    (tmp_path / "own.py").write_text(OWN)

    def loading(text: str) -> FinalConfig:
        (tmp_path / "pipeline.yml").write_text(text)
        return load_final_config(tmp_path / "pipeline.yml")

    return loading


def source_of(config: FinalConfig) -> Any:
    """The source that a configuration describes."""
    return registry.build("source", config.source or {}, config)


def refused(config: FinalConfig) -> str:
    """What is said of its source, without the folder of the test."""
    with pytest.raises(Misuse) as caught:
        source_of(config)
    return str(caught.value).replace(f"{config.folder}/", "")


AS_JSON = (
    '{"conn_type": "postgres", "host": "db", "port": 5433, "login": "anna", "password": "s t", "schema": "d"}'
)
POSTGRES = "{type: postgres, conn_id: flights-db, table: flights, time_field: time_hour}"


class TestConnections:
    """`conn_id` in the place of a connector's `url`."""

    @pytest.mark.parametrize("text", ["postgres://anna:s%20t@db:5433/d", AS_JSON])
    def test_it_becomes_the_address(self, load: Load, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        """As an address and as Airflow's JSON, from the environment of this moment."""
        monkeypatch.setenv("PIPELINE_CONN_FLIGHTS_DB", text)
        found = source_of(load(with_source(POSTGRES)))
        assert found.url.get_secret_value() == "postgresql://anna:s%20t@db:5433/d"
        assert "s%20t" not in repr(found)

    def test_an_unknown_one_says_what_to_export(self, load: Load) -> None:
        """With file and line."""
        told = refused(load(with_source(POSTGRES)))
        assert told.startswith("pipeline.yml:4: source.conn_id: No connection 'flights-db' is known.")
        assert "PIPELINE_CONN_FLIGHTS_DB=" in told

    def test_it_excludes_an_address(self, load: Load) -> None:
        """Two answers to one question are none."""
        both = POSTGRES.replace("conn_id", "url: postgresql://db/data, conn_id")
        assert "source.conn_id: Stands beside `url`" in refused(load(with_source(both)))

    def test_it_is_unknown_where_there_is_no_address(self, load: Load) -> None:
        """Files have a path."""
        assert "conn_id" in refused(load(with_source("{type: files, path: x, time_field: t, conn_id: y}")))


def with_source(line: str) -> str:
    """The contract with another source, in line 4."""
    lines = CONTRACT.splitlines(keepends=True)
    return "".join([*lines[:3], f"source: {line}\n", *lines[4:]])


class TestConnectors:
    """`type` and the keys of a system become its dataclass."""

    def test_the_contract_is_built(self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Inputs begin beside the file, state in the state folder, wherever one stands."""
        monkeypatch.setenv("PIPELINE_STATE_DIR", "/var/state")
        monkeypatch.chdir("/")
        config = load(CONTRACT)
        assert source_of(config).path == f"{tmp_path}/data/*.parquet"
        stage: Any = registry.build("stage", config.stage or {}, config)
        target: Any = registry.build("target", config.target or {}, config)
        assert (stage.path, target.path) == ("/var/state/stage", "/var/state/warehouse.duckdb")
        assert (target.table, target.time_field) == ("flights", "time_hour")

    @pytest.mark.parametrize("path", ["/data/x.parquet", "s3://bucket/x"])
    def test_paths_from_a_root_are_kept(self, load: Load, path: str) -> None:
        """Absolute ones and addresses."""
        assert source_of(load(with_source(f"{{type: files, path: {path}, time_field: t}}"))).path == path

    def test_an_unknown_type_names_the_nearest(self, load: Load) -> None:
        """With file, line and key."""
        config = load(with_source("{type: flies}"))
        assert refused(config) == (
            "pipeline.yml:4: source.type: There is no source of type 'flies'. Did you mean 'files'?"
        )

    def test_a_strange_type_lists_the_known(self, load: Load) -> None:
        """Those of the same kind only."""
        told = refused(load(with_source("{type: carrier-pigeon}")))
        assert re.search(r"Known: .*files", told)
        assert "snowflake" not in told

    def test_unknown_keys_are_told_together(self, load: Load) -> None:
        """Each with the nearest key of that system."""
        told = refused(load(with_source("{type: files, pth: x, time_feild: t, seen: 1}"))).splitlines()
        assert told[0] == "pipeline.yml:4: source.pth: Unknown key. Did you mean 'path'?"
        assert told[1] == "pipeline.yml:4: source.time_feild: Unknown key. Did you mean 'time_field'?"
        assert len(told) == 3

    def test_unknown_keys_of_a_group_name_the_nearest(self, load: Load) -> None:
        """A mistyped key of a group is told like any other, with its line."""
        written = "flights, write: {mode: append, kye: [id]}, time"
        config = load(CONTRACT.replace("flights, time", written))
        with pytest.raises(Misuse, match=r"yml:6: target\.write\.kye: Unknown key\. Did you mean 'key'\?"):
            registry.build("target", config.target or {}, config)

    def test_missing_and_wrong_values_are_told_together(self, load: Load) -> None:
        """In the words of the configuration, not of Python."""
        told = refused(load(with_source("{type: 'own:OwnSource', pages: many}"))).splitlines()
        assert told == [
            "pipeline.yml:4: source.path: Is missing.",
            "pipeline.yml:4: source.pages: Must be a whole number.",
        ]

    @pytest.mark.parametrize(
        ("pages", "words"),
        [
            (7, "pipeline.yml:4: source: Seven pages are too many, **********."),
            (8, "pipeline.yml:4: source: Eight pages are too many."),
            (9, "pipeline.yml:4: source: OwnSource failed with KeyError: 'nine'. Repair the connector."),
        ],
    )
    def test_what_a_connector_refuses_has_its_place(self, load: Load, pages: int, words: str) -> None:
        """Whatever it raises, and a secret in its sentence is hidden."""
        config = load(with_source(f"{{type: 'own:OwnSource', path: x, token: hunter22, pages: {pages}}}"))
        assert refused(config) == words

    def test_secrets_arrive_where_they_are_needed(self, load: Load) -> None:
        """As SecretStr or as text, as the field says."""
        source = source_of(load(with_source("{type: 'own:OwnSource', path: x, password: pw, token: tk}")))
        assert (source.password.get_secret_value(), source.token) == ("pw", "tk")
        assert "pw" not in repr(source)

    def test_a_class_of_ones_own_stands_beside_the_file(self, load: Load, tmp_path: Path) -> None:
        """`module:Class`, with paths and text annotations like any other."""
        source = source_of(load(with_source("{type: 'own:OwnSource', path: x, pages: '3'}")))
        assert (type(source).__name__, source.path, source.pages) == ("OwnSource", f"{tmp_path}/x", 3)

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("own:OwnSorce", "own.py defines no 'OwnSorce'. Did you mean 'OwnSource'?"),
            ("nowhere.here:X", "There is no module 'nowhere.here' on sys.path or in"),
            ("own:Plain", "'own:Plain' is no connector."),
            ("own:maker", "'own:maker' is no connector."),
            ("own:Half", "'own:Half' is no source: it lacks read."),
            ("own:Double", "'own:Double' is no source: it lacks check, count, read."),
        ],
    )
    def test_a_class_that_is_no_source_is_told(self, load: Load, kind: str, words: str) -> None:
        """Absent, no dataclass, or without the methods of a source."""
        told = refused(load(with_source(f"{{type: '{kind}'}}")))
        assert told.startswith(f"pipeline.yml:4: source.type: {words}")

    def test_transforms_know_their_place_in_the_list(self, load: Load) -> None:
        """An error names the second of two."""
        config = load(CONTRACT + "transforms:\n- {type: 'own:Double'}\n- {type: 'own:Double', fctor: 3}\n")
        built: Any = registry.build("transform", config.transforms[0], config)
        assert built.factor == 2
        with pytest.raises(Misuse, match=r"pipeline.yml:9: transforms\[1\].fctor: Unknown key"):
            registry.build("transform", config.transforms[1], config)


class TestOptionalPackages:
    """A client library that is not installed is one sentence with the command."""

    def test_the_extra_of_a_missing_package_is_named(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When a connector's module imports it."""
        monkeypatch.setitem(sys.modules, "duckdb", None)
        (tmp_path / "needy.py").write_text("import duckdb")
        assert refused(load(with_source("{type: 'needy:X'}"))) == (
            "pipeline.yml:4: source.type: 'needy' needs the package 'duckdb', which is not installed. "
            "Run: pip install 'pipeline-framework[duckdb]'."
        )

    def test_a_package_without_extra_is_named_itself(self, load: Load, tmp_path: Path) -> None:
        """As it may be the user's own need."""
        (tmp_path / "needy_too.py").write_text("import no_such_package")
        told = refused(load(with_source("{type: 'needy_too:X'}")))
        assert told.endswith("Run: pip install 'no_such_package'.")

    def test_an_entry_point_may_declare_its_extra(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For connectors that import their client late; the extra is that of its own distribution."""
        folder = tmp_path / "site" / "odd_connectors-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: odd-connectors\nVersion: 1.0\nProvides-Extra: odd\n"
            'Requires-Dist: no-such-client>=2; extra == "odd"\n'
        )
        (folder / "entry_points.txt").write_text("[pipeline_framework.sources]\nodd = own:OwnSource [odd]\n")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        assert refused(load(with_source("{type: odd, path: x}"))) == (
            "pipeline.yml:4: source.type: Type 'odd' needs the package 'no-such-client', "
            "which is not installed. Run: pip install 'odd-connectors[odd]'."
        )


class TestImplementation:
    """A module of functions by name."""

    def test_it_is_found_beside_the_file(self, load: Load, tmp_path: Path) -> None:
        """And sys.path is as before."""
        (tmp_path / "my_pipeline.py").write_text("def get_source_count(final_config, record): return 3\n")
        before = list(sys.path)
        module = registry.implementation("my_pipeline", load(MODULE))
        assert module.get_source_count({}, {}) == 3
        assert sys.path == before

    def test_it_is_found_on_sys_path(self, load: Load) -> None:
        """Installed packages need no file beside."""
        assert registry.implementation("json", load(MODULE)).__name__ == "json"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (None, "There is no module 'my_pipeline' on sys.path or in"),
            ("def broken(:", "Importing 'my_pipeline' failed with SyntaxError"),
            ("1 / 0", "Importing 'my_pipeline' failed with ZeroDivisionError: division by zero."),
            ("import sys; sys.exit(3)", "Importing 'my_pipeline' failed with SystemExit: 3."),
            ("from json import nothing", "Importing 'my_pipeline' failed with ImportError"),
        ],
    )
    def test_what_cannot_be_imported_is_told(
        self, load: Load, tmp_path: Path, text: str | None, words: str
    ) -> None:
        """File, line and key, whatever the module does."""
        if text:
            (tmp_path / "my_pipeline.py").write_text(text)
        with pytest.raises(Misuse) as caught:
            registry.implementation("my_pipeline", load(MODULE))
        assert str(caught.value).startswith(f"{tmp_path}/pipeline.yml:4: implementation: {words}")


class TestKeys:
    """key_x, key_y, key_z of a window."""

    VALUES = {  # noqa: RUF012 - read only
        "window_start": datetime(2013, 1, 1, 5, tzinfo=UTC),
        "target_day": "2013-01-01",
        "pipeline_id": "a",
    }

    @pytest.mark.parametrize(
        ("written", "made"),
        [
            ("", None),
            ("function_x: '{pipeline_id}/{window_start:%Y/%m/%d/%H}'", "a/2013/01/01/05"),
            ("function_x: 'own:maker'", "05-2013-01-01-a"),
            ("function_x: constant", "constant"),
        ],
    )
    def test_templates_and_functions_make_keys(self, load: Load, written: str, made: str | None) -> None:
        """A function sees the columns' names in both cases of letters."""
        assert registry.key(load(f"{MODULE}{written}\n"), "function_x", self.VALUES) == made

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            ("own:number", "'own:number' returned int. A key is text, or None."),
            ("own:broken", "It raised KeyError: 'nothing'."),
            ("own:nmber", "own.py defines no 'nmber'. Did you mean 'number'?"),
            ("own:OWN", "own.py defines no 'OWN'."),
            ("own:__doc__", "'own:__doc__' is no function. Name one as module:function."),
        ],
    )
    def test_a_function_that_makes_no_key_is_told(
        self, load: Load, tmp_path: Path, function: str, words: str
    ) -> None:
        """With its line in the file."""
        config = load(f"{MODULE}function_y: {function}\n")
        with pytest.raises(Misuse) as caught:
            registry.key(config, "function_y", self.VALUES)
        told = str(caught.value).replace(f"{tmp_path}/", "")
        assert told.startswith(f"pipeline.yml:5: function_y: {words}")

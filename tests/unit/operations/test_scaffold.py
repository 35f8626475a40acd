"""What `pipeline init` writes can be used as it is."""

import ast
import re
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest
import yaml

from pipeline_framework import registry
from pipeline_framework.config import load_final_config
from pipeline_framework.config.models import Keys
from pipeline_framework.errors import Misuse
from pipeline_framework.operations.scaffold import KINDS, Written, scaffold

INSTALLED = list(product(*(registry.known_types(kind) for kind in ("source", "stage", "target"))))
OWN = '''
from dataclasses import dataclass
from typing import Annotated
from pydantic import Field, SecretStr

@dataclass(frozen=True)
class Own:
    """Rows of a service.

    `pages`: pages in one request. `user`, `password`: those of the service. `host`: its name, as in `dig`.
    """

    pages: int = 3
    user: str = ""
    host: Annotated[str, Field(examples=["api.example.com"])] = "x"
    password: SecretStr = SecretStr("")

    def check(self): ...
    def count(self, window): ...
    def read(self, window): ...

@dataclass(frozen=True, kw_only=True)
class Needy:
    """Nearly nothing has a default."""

    pages: int = 3
    index: Annotated[str, Field(examples=["flights-*"], description="Which index.")]
    password: SecretStr
    ratio: float
    size: int
    flag: bool
    names: list[str]
    types: dict[str, str]

    def check(self): ...
    def count(self, window): ...
    def read(self, window): ...
'''


def write(folder: Path, source: str = "files", stage: str = "local", target: str = "duckdb") -> Written:
    """Scaffold a pipeline named flights."""
    return scaffold(folder, pipeline_id="flights", source=source, stage=stage, target=target)


@pytest.mark.parametrize("types", INSTALLED, ids="-".join)
def test_the_file_loads_and_builds(tmp_path: Path, types: tuple[str, str, str]) -> None:
    """For every combination of systems that is installed, nothing has to be added."""
    config = load_final_config(write(tmp_path / "new", *types).pipeline_file)
    assert config.pipeline_id == "flights"
    registry.build("source", config.source or {}, config)
    registry.build("stage", config.stage or {}, config)
    registry.build("target", config.target or {}, config)


def test_every_key_is_in_the_file_with_its_meaning(tmp_path: Path) -> None:
    """Written, or as a comment that may be uncommented."""
    text = write(tmp_path).pipeline_file.read_text()
    lines = [line.removeprefix("# ").partition(":")[0] for line in text.splitlines()]
    assert [key for key in Keys.model_fields if key not in lines] == []


PARTS = [(kind, name) for kind in KINDS for name in registry.known_types(kind)]


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_key_of_a_system_is_explained(tmp_path: Path, kind: registry.Kind, name: str) -> None:
    """By a sentence in front of it, whichever system is chosen."""
    text = write(tmp_path, **{kind: name}).pipeline_file.read_text()
    part = re.split(r"\n(?=\S)", text.partition(f"\n{kind}:\n  type: ")[2])[0].splitlines()
    keys = {field.name for field in fields(registry.known_types(kind)[name].load()) if field.init}
    at = {line.removeprefix("  ").removeprefix("# ").partition(": ")[0]: n for n, line in enumerate(part)}
    assert keys <= at.keys()
    assert [key for key in keys if not re.match(r"  # .+[^:]\.$", part[at[key] - 1])] == []


def test_what_a_class_inherits_is_explained_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the class that has the key; what the connector itself says of one goes first."""
    heir = '''
@dataclass(frozen=True)
class Heir(Own):
    """Rows of another service. `pages`: pages at once."""
'''
    (tmp_path / "scaffold_heir.py").write_text(OWN + heir)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = write(tmp_path / "a", "scaffold_heir:Heir").pipeline_file.read_text()
    assert "  # Pages at once.\n  # pages: 3\n" in text
    assert "  # Its name, as in `dig`.\n  # host: api.example.com\n" in text


def test_commented_keys_load_when_they_are_uncommented(tmp_path: Path) -> None:
    """Each default or example is a valid value, one key at a time."""
    text = write(tmp_path).pipeline_file.read_text()
    optional = [f"# {key}: " for key in Keys.model_fields if f"\n# {key}: " in text]
    assert len(optional) > 15
    for line in optional:
        if line in ("# implementation: ", "# settings: "):  # stand instead of source, stage, target
            continue
        (tmp_path / "more.yml").write_text(text.replace(f"\n{line}", f"\n{line[2:]}"))
        load_final_config(tmp_path / "more.yml")


def test_commented_keys_of_systems_build_when_they_are_uncommented(tmp_path: Path) -> None:
    """A connector's defaults are written as it reads them."""
    text = write(tmp_path).pipeline_file.read_text()
    lines = [line.replace("  # ", "  ", 1) if _is_key(line) else line for line in text.splitlines()]
    (tmp_path / "more.yml").write_text("\n".join(lines))
    config = load_final_config(tmp_path / "more.yml")
    assert len(config.source or {}) > 3
    registry.build("source", config.source or {}, config)
    registry.build("stage", config.stage or {}, config)
    registry.build("target", config.target or {}, config)


def _is_key(line: str) -> bool:
    return line.startswith("  # ") and line[4:].partition(":")[0].isidentifier() and ": " in line


def test_a_system_that_nobody_foresaw_needs_no_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Examples and explanations come from the dataclass; required keys come first; passwords from outside."""
    (tmp_path / "scaffold_own.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("FLIGHTS_PASSWORD", raising=False)
    written = write(tmp_path / "a", "scaffold_own:Needy").pipeline_file
    source = yaml.safe_load(written.read_text())["source"]
    assert list(source)[:2] == ["type", "index"]
    assert written.read_text().index("\n  types: ") < written.read_text().index("\n  # pages: 3")
    assert (source["index"], source["password"]) == ("flights-*", "${FLIGHTS_PASSWORD:-}")
    config = load_final_config(written)
    registry.build("source", config.source or {}, config)
    text = write(tmp_path / "b", "scaffold_own:Own").pipeline_file.read_text()
    assert "  # Pages in one request.\n  # pages: 3\n" in text
    assert "  # Its name, as in `dig`.\n  # host: api.example.com\n" in text
    assert text.count("  # Those of the service.\n") == 2
    assert "# password: ''\n" in text


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Neither the pipeline nor the DAG, and none is written when one exists."""
    written = write(tmp_path)
    written.dag_file.write_text("mine")
    written.pipeline_file.unlink()
    with pytest.raises(Misuse, match=r"flights_dag\.py exists already and is kept"):
        write(tmp_path)
    assert written.dag_file.read_text() == "mine"
    assert not written.pipeline_file.exists()


def test_the_dag_reads_the_file_beside_it(tmp_path: Path) -> None:
    """Whatever the working directory of Airflow is."""
    written = scaffold(tmp_path, pipeline_id="my-flights.v2", source="files", stage="local", target="duckdb")
    assert written.dag_file.name == "my_flights_v2_dag.py"
    tree = ast.parse(written.dag_file.read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "pipeline_framework.airflow_provider.dag" in imported
    assert 'Path(__file__).with_name("pipeline.yml")' in ast.unparse(tree).replace("'", '"')


def test_what_to_type_next_names_the_file(tmp_path: Path) -> None:
    """In the order of a first day."""
    written = write(tmp_path)
    assert [step.split()[1] for step in written.next_steps] == ["check", "plan", "run"]
    assert all(str(written.pipeline_file) in step for step in written.next_steps)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"source": "flies"},
            "pipeline init: source.type: There is no source of type 'flies'. Did you mean 'files'?",
        ),
        ({"target": "local"}, "pipeline init: target.type: There is no target of type 'local'."),
        ({"pipeline_id": "a/b"}, "pipeline init: pipeline_id: May hold only letters"),
        ({"stage": ""}, "pipeline init: stage: Needs a `type`"),
    ],
)
def test_wrong_choices_write_nothing(tmp_path: Path, changed: dict[str, str], words: str) -> None:
    """One sentence, and the folder is not even made."""
    chosen = {"pipeline_id": "flights", "source": "files", "stage": "local", "target": "duckdb"}
    with pytest.raises(Misuse) as caught:
        scaffold(tmp_path / "new", **{**chosen, **changed})
    assert str(caught.value).startswith(words)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Here because a file has its name."""
    (tmp_path / "new").write_text("")
    with pytest.raises(Misuse, match=r"cannot be written: .+\. Choose another folder"):
        write(tmp_path / "new" / "inner")


def test_the_flagship_takes_about_fifteen_lines(tmp_path: Path) -> None:
    """Elasticsearch → S3 → Snowflake: what has to be looked at; the rest are comments."""
    text = write(tmp_path, "elasticsearch", "s3", "snowflake").pipeline_file.read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) <= 20, "\n".join(lines)
    assert "my_organization-my_account/MY_DATABASE" in text
    assert "  # stage: MY_STAGE\n" in text

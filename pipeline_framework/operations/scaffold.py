"""What `pipeline init` writes: a commented pipeline file and a DAG file, for systems that are installed.

Nothing here knows a system: keys, defaults, explanations and examples come from the models of the
configuration and from the connectors' dataclasses (`Annotated[str, Field(examples=[...])]` where the
example matters, "`key`: what it is" in the docstring, its own or that of a class it inherits from).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple, get_origin, get_type_hints

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from pipeline_framework import registry
from pipeline_framework.config import FinalConfig
from pipeline_framework.config.final import DEFAULT_URL
from pipeline_framework.config.mistakes import Places
from pipeline_framework.config.models import Keys
from pipeline_framework.config.rules import PARTS
from pipeline_framework.config.translation import mistakes
from pipeline_framework.config.yaml_text import written as in_yaml
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import InputPath, StatePath

KINDS: tuple[registry.Kind, ...] = ("source", "stage", "target")
HEAD = """\
# {source} -> {stage} -> {target}, window by window.
#
# pipeline check    is everything reachable and allowed?
# pipeline plan     which windows would run?
# pipeline run      move them
#
# ${{NAME}} is taken from the environment: passwords belong there.
"""
DAG = '''\
"""The pipeline of pipeline.yml as a DAG of Airflow."""

from pathlib import Path

from pipeline_framework.airflow_provider.dag import build_dag

dag = build_dag(Path(__file__).with_name("pipeline.yml"))
'''


class Written(NamedTuple):
    """The files that `scaffold` wrote."""

    pipeline_file: Path
    dag_file: Path

    @property
    def next_steps(self) -> list[str]:
        """What to type next, in this order."""
        return [f"pipeline {word} --config {self.pipeline_file}" for word in ("check", "plan", "run")]


def scaffold(folder: Path, *, pipeline_id: str, source: str, stage: str, target: str) -> Written:
    """Write pipeline.yml and a DAG file into `folder`, made when it is missing.

    Raises `Misuse` for a system that is not installed, a file that exists already (nothing is
    overwritten) or a folder that cannot be written.
    """
    types = dict(zip(PARTS, (source, stage, target), strict=True))
    dag = f"{re.sub(r'[^A-Za-z0-9_]', '_', pipeline_id)}_dag.py"
    written = Written(folder / "pipeline.yml", folder / dag)
    text = pipeline_text(pipeline_id, types, written.pipeline_file)
    _write(folder, {written.pipeline_file: text, written.dag_file: DAG})
    return written


def pipeline_text(pipeline_id: str, types: Mapping[str, str], file: Path) -> str:
    """The commented pipeline file for connectors by kind; `Misuse` where one is not installed."""
    parts: dict[str, Any] = {kind: {"type": types[kind]} for kind in KINDS}
    first: dict[str, Any] = {
        "pipeline_id": pipeline_id,
        "timezone": "UTC",
        "granularity": "1d",
        "x_time_back": "1d",
        "start": f"{datetime.now(UTC):%Y}-01-01",
        "control": {"url": DEFAULT_URL},
    }
    config = _config({**first, **parts}, file)
    chapters = [
        HEAD.format(**types),
        *_chosen(first),
        *(_part(kind, config) for kind in KINDS),
        *_others(first),
    ]
    return "\n".join(chapters)


def _config(values: Mapping[str, Any], file: Path) -> FinalConfig:
    places = Places("pipeline init")
    try:
        return FinalConfig.of(values, file, places)
    except ValidationError as error:
        raise places.misuse(mistakes(error)) from None


def _write(folder: Path, texts: Mapping[Path, str]) -> None:
    existing = [str(path) for path in texts if path.exists()]
    if existing:
        raise Misuse(
            f"{' and '.join(existing)} exists already and is kept. Choose another folder, or move it away."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise Misuse(f"{folder} cannot be written: {error.strerror}. Choose another folder.") from None


def _comment(text: str | None, indent: str = "") -> str:
    return "".join(
        f"{line}\n"
        for line in wrap(text or "", 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
    )


def _chosen(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        yield f"{_comment(Keys.model_fields[key].description)}{key}: {in_yaml(value)}\n"


def _others(chosen: Mapping[str, Any]) -> Iterator[str]:
    yield "# The rest, with its default or an example:\n"
    for key, field in Keys.model_fields.items():
        if key not in (*chosen, *PARTS):
            yield f"{_comment(field.description)}# {key}: {_default(field)}".rstrip() + "\n"


def _default(field: FieldInfo) -> str:
    if field.default_factory or field.default is None:
        return in_yaml(field.examples[0]) if field.examples else ""
    default = field.default
    plain = default.model_dump(exclude_none=True) if hasattr(default, "model_dump") else default
    return in_yaml(list(plain) if isinstance(plain, tuple) else plain)


def _part(kind: registry.Kind, config: FinalConfig) -> str:
    """One connector: required keys first, the others as comments with their defaults."""
    found = registry.connector(kind, getattr(config, kind)["type"], config, (kind, "type"))
    described = [f"{kind}:\n  type: {getattr(config, kind)['type']}\n"]
    hints = get_type_hints(found, include_extras=True)
    for field in sorted((each for each in fields(found) if each.init), key=_optional):
        explained = _comment(_explained(found, field, hints[field.name]), "  ")
        value = in_yaml(_sample(kind, config, field, hints[field.name]))
        described.append(f"{explained}  {'# ' if _optional(field) else ''}{field.name}: {value}\n")
    return _comment(Keys.model_fields[kind].description) + "".join(described)


def _optional(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _explained(found: type, field: Field[Any], hint: Any) -> str:
    described = next((each.description for each in _metadata(hint) if each.description), None)
    document = " ".join(" ".join(vars(each).get("__doc__") or "" for each in found.__mro__).split())
    # `key`: what it is. Several keys may share it: `one`, `other`: what they are.
    match = re.search(rf"`{field.name}`(?:, `\w+`)*: (.+?\.)(?=\s`\w+`(?:, `\w+`)*: |\s*$|\s[A-Z])", document)
    return described or (match[1][0].upper() + match[1][1:] if match else "")


def _sample(kind: str, config: FinalConfig, field: Field[Any], hint: Any) -> Any:
    """An example of the connector's own, its default, or something of the right type."""
    example = next((each.examples[0] for each in _metadata(hint) if each.examples), None)
    if example is not None:
        return example
    if field.default_factory is not MISSING:
        return _plain(field.default_factory())
    if field.default is MISSING:
        return _invented(kind, config, field.name, hint)
    return "" if isinstance(field.default, SecretStr) else field.default


def _plain(value: Any) -> Any:
    """A group of keys with those that are given."""
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return {key: each for key, each in asdict(value).items() if each}


def _metadata(hint: Any) -> list[FieldInfo]:
    return [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, FieldInfo)]


def _invented(kind: str, config: FinalConfig, key: str, hint: Any) -> Any:
    plain = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    if hint == InputPath:
        return "data/*.parquet"
    if hint == StatePath:
        return f"{config.pipeline_id}.{kind}"
    if plain is SecretStr:
        return f"${{{config.pipeline_id.upper()}_{key.upper()}:-}}"
    simple: dict[Any, Any] = {
        bool: False,
        int: 1,
        float: 1.0,
        str: key.removesuffix("_field") if key.endswith("_field") else f"my_{key}",
    }
    return simple.get(plain, [] if get_origin(plain) in (list, tuple) else {})

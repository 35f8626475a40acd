"""From a name in the configuration to what it stands for: connectors by entry point, modules, functions.

A connector's `type` is the name of an entry point of `pipeline_framework.sources`, `.stages`, `.targets` or
`.transforms`, or `module:Class`. Modules are found on sys.path, or else beside the configuration file.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from inspect import isfunction
from types import ModuleType
from typing import Any, Literal, get_type_hints, overload

from pydantic import TypeAdapter, ValidationError

from pipeline_framework.config import FinalConfig, beside, connections, secrets, translation
from pipeline_framework.config.mistakes import Key, suggestion, unknown_key
from pipeline_framework.config.rules import FUNCTION
from pipeline_framework.errors import Misuse, PipelineError, Unavailable
from pipeline_framework.interfaces import Source, Stage, Target, Transform
from pipeline_framework.windows import render

Kind = Literal["source", "stage", "target", "transform"]
PROTOCOLS: Mapping[Kind, type] = {"source": Source, "stage": Stage, "target": Target, "transform": Transform}
PACKAGE = "pipeline-framework"


@overload
def build(kind: Literal["source"], settings: Mapping[str, Any], config: FinalConfig) -> Source: ...
@overload
def build(kind: Literal["stage"], settings: Mapping[str, Any], config: FinalConfig) -> Stage: ...
@overload
def build(kind: Literal["target"], settings: Mapping[str, Any], config: FinalConfig) -> Target: ...
@overload
def build(kind: Literal["transform"], settings: Mapping[str, Any], config: FinalConfig) -> Transform: ...
def build(kind: Kind, settings: Mapping[str, Any], config: FinalConfig) -> Any:
    """The connector that `settings` describe: `type`, or the first key for it, and its dataclass's fields.

    Relative paths are resolved by the fields' types (`InputPath`, `StatePath`); where there is a field
    `url`, `conn_id` may stand in its place. Raises `Misuse` for an
    unknown type or key, a wrong value, or a client library that is not installed.
    """
    key: Key = (kind,) if kind != "transform" else ("transforms", config.transforms.index(dict(settings)))
    name, at = (settings["type"], "type") if "type" in settings else (next(iter(settings), ""),) * 2
    found = connector(kind, str(name), config, (*key, at))
    names = [each.name for each in fields(found) if each.init]
    values = {name: value for name, value in settings.items() if name != "type"}
    values = _connected(values, names, config, key)
    unknown = [unknown_key((*key, name), names) for name in values if name not in names]
    if unknown:
        raise config.all_misuse(unknown)
    return _filled_in(found, secrets.revealed(values), config, key)


def _connected(values: dict[str, Any], names: list[str], config: FinalConfig, key: Key) -> dict[str, Any]:
    """The values with the address that the connection has at this moment, as its password may change."""
    if "conn_id" not in values or "url" not in names:
        return values
    at, rest = (*key, "conn_id"), {name: value for name, value in values.items() if name != "conn_id"}
    if "url" in rest:
        raise config.misuse(at, "Stands beside `url`. Remove one of them.")
    try:
        return {**rest, "url": connections.address(str(values["conn_id"])).url}
    except ValueError as unknown:
        raise config.misuse(at, str(unknown)) from None


def _filled_in(found: type, values: Mapping[str, Any], config: FinalConfig, key: Key) -> Any:
    folders = {"inputs": config.folder, "state": config.state_folder or ValueError(connections.FLEETING)}
    try:
        return TypeAdapter(found).validate_python(values, context=folders)
    except ValidationError as error:
        known = partial(_names_in, found)
        raise config.all_misuse(translation.mistakes(error, prefix=key, known=known)) from None
    except Misuse as error:
        raise config.misuse(key, str(error)) from None
    except Exception as error:
        problem = f"{found.__qualname__} failed with {type(error).__name__}: {error}. Repair the connector."
        raise config.misuse(key, problem) from error


def _names_in(found: type, key: Key) -> list[str]:
    """The keys of a group of keys, which a field of the connector holds as a dataclass."""
    held = get_type_hints(found).get(str(key[-1]))
    return [field.name for field in fields(held)] if isinstance(held, type) and is_dataclass(held) else []


def known_types(kind: Kind) -> dict[str, EntryPoint]:
    """The short names of installed connectors."""
    return {point.name: point for point in sorted(entry_points(group=f"pipeline_framework.{kind}s"))}


def connector(kind: Kind, name: str, config: FinalConfig, at: Key) -> type:
    """The dataclass behind a `type`; `Misuse` at the key `at` where there is none."""
    points = known_types(kind)
    if name not in points and not FUNCTION.fullmatch(name):
        raise config.misuse(at, f"There is no {kind} of type '{name}'. {suggestion(name, list(points))}")
    point = points.get(name) or EntryPoint(name, name, f"pipeline_framework.{kind}s")
    _require(point, config, at)
    found = _attribute(point.value.partition("[")[0].strip(), config, at)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise config.misuse(
            at, f"'{name}' is no connector. A connector is a frozen dataclass, see interfaces.py."
        )
    lacking = [method for method in _methods(PROTOCOLS[kind]) if not hasattr(found, method)]
    if lacking:
        raise config.misuse(
            at, f"'{name}' is no {kind}: it lacks {', '.join(lacking)}. Use it elsewhere or define it."
        )
    return found


def _methods(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if isfunction(value) and not name.startswith("_")]


def implementation(name: str, config: FinalConfig) -> ModuleType:
    """The module of functions that `implementation:` names; `Misuse` when it cannot be imported."""
    return _imported(name, config, ("implementation",))


def function(text: str, config: FinalConfig, key: Key) -> Callable[..., Any]:
    """What `module:function` at `key` of the configuration names."""
    found = _attribute(text, config, key)
    if not callable(found):
        raise config.misuse(key, f"'{text}' is no function. Name one as module:function.")
    return found  # type: ignore[no-any-return]  # callable() says no more


def key(config: FinalConfig, name: str, values: Mapping[str, Any]) -> str | None:
    """What `function_x`, `function_y` or `function_z` makes of a window's `values`; None where it is not set.

    A template is filled in; a function is called as `(final_config, record)`, with the values by name and
    by upper-case name, the times as window_start_time and window_end_time too.
    """
    text: str | None = getattr(config, name)
    if text is None:
        return None
    if not FUNCTION.fullmatch(text):
        return render(text, values)
    made = _called(function(text, config, (name,)), config, name, values)
    if made is not None and not isinstance(made, str):
        raise config.misuse((name,), f"'{text}' returned {type(made).__name__}. A key is text, or None.")
    return made


def ready(config: FinalConfig, record: Mapping[str, Any]) -> bool:
    """Whether the function that `ready:` names lets the window of `record` run; called as `key` calls.

    Raises `Unavailable` when it cannot reach what it asks, `Misuse` naming it for any other error of its own.
    """
    name = str(config.ready)
    asked = function(name, config, ("ready",))
    try:
        return bool(asked(config.for_functions(), _in_both_cases(record)))
    except PipelineError:
        raise
    except (ConnectionError, TimeoutError) as error:
        raise Unavailable(
            f"ready: '{name}' could not ask: {type(error).__name__}: {error}; try again."
        ) from error
    except Exception as error:
        problem = f"'{name}' raised {type(error).__name__}: {error}. Repair it; no window was locked."
        raise config.misuse(("ready",), problem) from error


def _called(maker: Callable[..., Any], config: FinalConfig, name: str, values: Mapping[str, Any]) -> Any:
    times = {f"{edge}_time": values[edge] for edge in ("window_start", "window_end") if edge in values}
    try:
        return maker(config.for_functions(), _in_both_cases({**values, **times}))
    except Exception as error:
        raise config.misuse((name,), f"It raised {type(error).__name__}: {error}.") from error


def _in_both_cases(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, **{name.upper(): value for name, value in record.items()}}


def _attribute(text: str, config: FinalConfig, key: Key) -> Any:
    module, _, name = text.partition(":")
    found = _imported(module, config, key)
    if not hasattr(found, name):
        known = [each for each in vars(found) if not each.startswith("_")]
        raise config.misuse(key, f"{found.__file__ or module} defines no '{name}'. {suggestion(name, known)}")
    return getattr(found, name)


def _imported(name: str, config: FinalConfig, key: Key) -> ModuleType:
    try:
        return beside.imported(name, config.folder)
    except ModuleNotFoundError as error:
        absent = error.name or name
        if name == absent or name.startswith(f"{absent}."):
            problem = (
                f"There is no module '{name}' on sys.path or in {config.folder}. Check its name and place."
            )
            raise config.misuse(key, problem) from None
        raise config.misuse(key, _install(PACKAGE, absent, f"'{name}'")) from error
    except (Exception, SystemExit) as error:
        problem = f"Importing '{name}' failed with {type(error).__name__}: {error}. Repair the module."
        raise config.misuse(key, problem) from error


def _require(point: EntryPoint, config: FinalConfig, key: Key) -> None:
    """The extras that an entry point declares must be installed: `duckdb = "module:Class [duckdb]"`."""
    owner = point.dist.name if point.dist else PACKAGE
    for package in (name for name, extra in _optional(owner) if extra in point.extras):
        try:
            distribution(package)
        except PackageNotFoundError:
            raise config.misuse(key, _install(owner, package, f"Type '{point.name}'")) from None


def _install(owner: str, package: str, who: str) -> str:
    plain = package.replace("_", "-")
    everything = list(_optional(owner))
    extras = [extra for name, extra in everything if f"{name}-".startswith(f"{plain}-")]
    extra = min(extras, key=[extra for _, extra in everything].count, default=None)  # the narrowest
    wanted = f"{owner}[{extra}]" if extra else package
    return f"{who} needs the package '{package}', which is not installed. Run: pip install '{wanted}'."


def _optional(owner: str) -> Iterator[tuple[str, str]]:
    """Optional packages of a distribution, with the extra that installs each."""
    for requirement in distribution(owner).requires or ():
        match = re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]", requirement)
        if match:
            yield match[1].replace("_", "-"), match[2]

"""YAML as plain values with lines; without the traps of YAML 1.1.

Dates stay text (the models read them, with their timezone), and so do base-60 numbers (`1:30`) and
octal ones (`010`), as in the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).
`yes`, `no`, `on` and `off` are still booleans, as people write them.
"""

import re
import sys
from collections.abc import Callable
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from pipeline_framework.config.mistakes import Key, Mistake
from pipeline_framework.errors import Misuse

MOST_VALUES = 10_000  # aliases of aliases multiply; no configuration is that long
_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_SCALARS: dict[str, Callable[[str], Any]] = {
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": lambda text: _BOOLEANS[text.lower()],
    f"{_TAG}int": int,
    f"{_TAG}float": lambda text: float(re.sub(r"\.(inf|nan)$", r"\1", text.lower())),
    f"{_TAG}str": str,
}
_NUMBERS = {
    f"{_TAG}int": re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"),
    f"{_TAG}float": re.compile(
        r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}
_TEXT_ONLY = (f"{_TAG}timestamp", f"{_TAG}merge", f"{_TAG}value")


# libyaml's events are ten times faster than Python's; its own nodes end the process on deep nesting.
EVENTS: type[yaml.SafeLoader | yaml.CSafeLoader] = (
    yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
)


class _Loader(Composer, Resolver):
    """Composes nodes of events; nothing of PyYAML's construction is used."""

    def __init__(self, text: str) -> None:
        Composer.__init__(self)
        Resolver.__init__(self)
        events = EVENTS(text)
        self.check_event = events.check_event
        self.peek_event = events.peek_event
        self.get_event = events.get_event


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what `_Loader` would not read as text."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers = {
    first: [(tag, _NUMBERS.get(tag, pattern)) for tag, pattern in pairs if tag not in _TEXT_ONLY]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str, name: str) -> tuple[Any, dict[Key, int], list[Mistake]]:
    """Values, lines of keys and duplicate keys of one YAML document; `Misuse` names file and line."""
    try:
        root = _Loader(text).get_single_node()
        reading = _Reading(name)
        return (None if root is None else reading.value(root, ())), reading.lines, reading.mistakes
    except yaml.YAMLError as error:
        raise Misuse(f"{name}{_line(error, text)}: {_problem(error, text)}") from None
    except RecursionError:
        raise Misuse(f"{name} is nested too deeply, or an alias in it contains itself.") from None


def written(value: Any) -> str:
    """A value as it stands in a file, on one line."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=sys.maxsize, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


class _Reading:
    """One pass over the nodes of a document."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Key, int] = {}
        self.mistakes: list[Mistake] = []
        self.left = MOST_VALUES

    def value(self, node: yaml.Node, key: Key) -> Any:
        """The plain value of a node; its parts are noted under `key`."""
        self.left -= 1
        if self.left < 0:
            raise Misuse(f"{self.name} holds more than {MOST_VALUES:,} values. Check its aliases (`*name`).")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, key)
        return self._scalar(node, key)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            part = (*key, str(name.value) if isinstance(name, yaml.ScalarNode) else "?")
            if part[-1] in found:
                self.mistakes.append(Mistake(part, f"Written twice, again in line {line}. Keep one of them."))
            self.lines.setdefault(part, line)
            if not isinstance(name, yaml.ScalarNode):
                self.mistakes.append(Mistake(part, "A key must be text, not a list or a mapping."))
            found[str(part[-1])] = self.value(value, part)
        return found

    def _sequence(self, node: yaml.SequenceNode, key: Key) -> list[Any]:
        for index, item in enumerate(node.value):
            self.lines[*key, index] = item.start_mark.line + 1
        return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.Node, key: Key) -> Any:
        try:
            return _SCALARS[node.tag](node.value)
        except (LookupError, ValueError):
            short = node.tag.replace(_TAG, "!!")
            self.mistakes.append(Mistake(key, f"The tag {short} cannot be read here. Write the plain value."))
            return None


def _line(error: yaml.YAMLError, text: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return f":{mark.line + 1}"
    position = getattr(error, "position", None)
    return "" if position is None else f":{text.count(chr(10), 0, position) + 1}"


def _problem(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return "A control character stands in the file. Remove it."
    problem = str(getattr(error, "problem", None) or error)
    if _at_tab(error, text):
        return "A tab stands where YAML wants spaces. Indent with spaces."
    if "but found another document" in problem or "single document" in str(error):
        return "A second document (`---`) begins. Keep one pipeline per file."
    return f"Not valid YAML: {problem}. Check indentation, quotes and brackets around this line."


def _at_tab(error: yaml.YAMLError, text: str) -> bool:
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines()
    if mark is None or mark.line >= len(lines):
        return False
    return "\t" in lines[mark.line][: mark.column + 1]

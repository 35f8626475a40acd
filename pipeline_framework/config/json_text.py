"""JSON as plain values with lines."""

import json
import re
from typing import Any

from pipeline_framework.config.mistakes import Key, Mistake
from pipeline_framework.errors import Misuse

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def parse(text: str, name: str) -> tuple[Any, dict[Key, int], list[Mistake]]:
    """Values, lines of keys and duplicate keys of a JSON text; `Misuse` names file and line."""
    if not text.strip():
        return None, {}, []
    try:
        values = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise Misuse(f"{name}:{error.lineno}: Not valid JSON: {error.msg}. Check this line.") from None
    except (RecursionError, ValueError) as error:
        raise Misuse(f"{name} cannot be read: {error}.") from None
    return values, *_keys(text)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _keys(text: str) -> tuple[dict[Key, int], list[Mistake]]:
    lines: dict[Key, int] = {}
    mistakes: list[Mistake] = []
    path: list[str | int] = []
    string = ""
    line, position = 1, 0
    for token in _TOKEN.finditer(text):
        line, position = line + text.count("\n", position, token.start()), token.start()
        word = token.group()
        if word in "{[":
            path.append("" if word == "{" else 0)
        elif word in "}]":
            path.pop()
        elif word == "," and isinstance(path[-1], int):
            path[-1] += 1
        elif word == ":":
            path[-1] = json.loads(string)
            _note(tuple(path), line, lines, mistakes)
        string = word
    return lines, mistakes


def _note(key: Key, line: int, lines: dict[Key, int], mistakes: list[Mistake]) -> None:
    if key in lines:
        mistakes.append(Mistake(key, f"Written twice, again in line {line}. Keep one of them."))
    lines.setdefault(key, line)

"""TOML as plain values with lines; keys inside an inline table have the line of the table."""

import re
import tomllib
from typing import Any

from pipeline_framework.config.mistakes import Key, Mistake
from pipeline_framework.errors import Misuse

_TABLE = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*([\w.\-"' ]+?)\s*=""")
_PLACE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")


def parse(text: str, name: str) -> tuple[Any, dict[Key, int], list[Mistake]]:
    """Values and lines of keys of a TOML text; `Misuse` names file and line, of duplicate keys too."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misuse(f"{name}{_line(error)}: Not valid TOML: {_problem(error)}. Check this line.") from None
    except (RecursionError, ValueError) as error:
        raise Misuse(f"{name} cannot be read: {error}.") from None
    return values or None, _lines(text), []


def _line(error: tomllib.TOMLDecodeError) -> str:
    found = _PLACE.search(str(error))
    return f":{found[1]}" if found and found[1] else ""


def _problem(error: tomllib.TOMLDecodeError) -> str:
    return _PLACE.sub("", str(error)).strip().rstrip(".")


def _lines(text: str) -> dict[Key, int]:
    lines: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _parts(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_parts(key[1])), number)
    return lines


def _parts(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))

"""Read a configuration file as a tree of plain values that remembers the line of every key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_framework.config import json_text, toml_text, yaml_text
from pipeline_framework.config.mistakes import Key, Mistake
from pipeline_framework.errors import Misuse

LARGEST = 1_000_000  # bytes; what is larger was named by accident

Parser = Callable[[str, str], tuple[Any, dict[Key, int], list[Mistake]]]
PARSERS: Mapping[str, Parser] = {
    ".yml": yaml_text.parse,
    ".yaml": yaml_text.parse,
    ".json": json_text.parse,
    ".toml": toml_text.parse,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values, the line of each key (from 1), and what was already wrong (duplicate keys)."""

    name: str
    file: Path
    values: dict[str, Any]
    lines: dict[Key, int]
    mistakes: list[Mistake]


def read(path: str | Path) -> Document:
    """The file as a tree; `Misuse` when it is missing, unreadable, not UTF-8, empty or no mapping."""
    name = str(path)
    file = absolute(name)
    parser = _parser(name, file)
    values, lines, mistakes = parser(_text(name, file), name)
    if values is None:
        raise Misuse(f"{name} is empty. Write a pipeline into it, or start from `pipeline init`.")
    if not isinstance(values, dict):
        raise Misuse(f"{name} is not a mapping of keys to values. Start it with `pipeline_id: name`.")
    return Document(name, file, values, lines, mistakes)


def absolute(name: str) -> Path:
    """The path from the root, `~` opened; links are kept, as files beside a link are meant."""
    try:
        return Path(name).expanduser().absolute()
    except RuntimeError:
        raise Misuse(f"{name} names a home folder that does not exist. Write the whole path.") from None


def _parser(name: str, file: Path) -> Parser:
    parser = PARSERS.get(file.suffix.lower())
    if parser is None and not file.is_dir():
        raise Misuse(f"{name} is not named like a configuration. Its name must end in {', '.join(PARSERS)}.")
    return parser or yaml_text.parse


def _text(name: str, file: Path) -> str:
    try:
        return _bytes(name, file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Misuse(f"{name} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None


def _bytes(name: str, file: Path) -> bytes:
    try:
        if file.exists() and not file.is_file():
            raise Misuse(f"{name} is not a file. Name the file itself, such as {name}/pipeline.yml.")
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise Misuse(
            f"{name} does not exist. Write one with `pipeline init`, "
            "or name yours with --config or PIPELINE_CONFIG."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Misuse(f"{name} cannot be read: {reason}. Check its path and permissions.") from None
    if len(content) > LARGEST:
        raise Misuse(f"{name} is larger than {LARGEST:,} bytes: no configuration is. Check the path.")
    return content

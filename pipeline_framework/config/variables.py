"""`${NAME}` and `${NAME:-default}` from the environment; `$$` is a dollar sign.

As in a shell, `:-` also replaces a variable that is set but empty. What stands in the environment is
taken as it is: it is not searched for variables again.
"""

import re
from collections.abc import Mapping
from typing import Any

from pipeline_framework.config.mistakes import Key, Mistake

_DOLLAR = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^{}$]*))?\}|\$\{", re.ASCII)
_SECRET_NAME = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|PRIVATE|DSN", re.IGNORECASE)


class Expansion:
    """One pass over the values of a file.

    `written`: what stood in the environment -> `${NAME}`, so that messages can say the name.
    `secret`: keys whose value came from a variable that is named like a secret.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.mistakes: list[Mistake] = []
        self.written: dict[str, str] = {}
        self.secret: set[Key] = set()

    def expanded(self, value: Any, key: Key = ()) -> Any:
        """The same tree with every text expanded; texts that cannot be are noted and kept."""
        if isinstance(value, dict):
            return {name: self.expanded(part, (*key, name)) for name, part in value.items()}
        if isinstance(value, list):
            return [self.expanded(part, (*key, index)) for index, part in enumerate(value)]
        return self._text(value, key) if isinstance(value, str) else value

    def _text(self, text: str, key: Key) -> str:
        found = _DOLLAR.sub(lambda match: self._found(match, key), text)
        if not _storable(found):
            self.mistakes.append(Mistake(key, "Holds a character that is no text. Remove it."))
        return found

    def _found(self, match: re.Match[str], key: Key) -> str:
        if match[0] == "$$":
            return "$"
        name, default = match["name"], match["default"]
        if name is None:
            self.mistakes.append(Mistake(key, _malformed()))
            return match[0]
        value = self.environment.get(name)
        if value or (value is not None and default is None):
            return self._noted(value, name, key)
        if default is None:
            self.mistakes.append(Mistake(key, _unset(name)))
        return match[0] if default is None else default

    def _noted(self, value: str, name: str, key: Key) -> str:
        if len(value) > 3:  # shorter ones would blot out parts of ordinary words
            self.written[value] = f"${{{name}}}"
        if _SECRET_NAME.search(name):
            self.secret.add(key)
        return value


def _malformed() -> str:
    return "A `${` is not closed or holds no name. Write ${NAME}, ${NAME:-default}, or $$ for a dollar sign."


def _unset(name: str) -> str:
    return f"{name} is not set in the environment. Export {name}, or give a default: ${{{name}:-value}}."


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)

"""What must not be seen: passwords become `SecretStr` as soon as a file is read, and stay so.

A value is a secret when its key is named like one (`password`, `api_key`, `token`, ...), when it came
from a variable that is (`${ELASTIC_PASSWORD}`), or when it is an address with a password inside.
"""

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from pipeline_framework.config.mistakes import Key

HIDDEN = "**********"  # as pydantic shows a SecretStr
_NAME = re.compile(
    r"(^|_)(password|passwd|passphrase|pwd|secret|token|credentials?|(api|access|account|private|secret)_?key)($|_)",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(://[^:/@\s]*):[^\s]*@")
_QUERY = re.compile(
    r"((?:^|[?&;\s])(?:password|passwd|pwd|passphrase|secret|token|sig|\w*key)=)[^&;\s]*", re.IGNORECASE
)


def concealed(value: Any, secret: Container[Key] = (), key: Key = ()) -> Any:
    """The same tree with its secrets as `SecretStr`; `secret` names further keys that hold one."""
    if isinstance(value, dict):
        return {name: concealed(part, secret, (*key, name)) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(concealed(part, secret, (*key, index)) for index, part in enumerate(value))
    if isinstance(value, str) and (key in secret or _named(key) or safe(value) != value):
        return SecretStr(value)
    return value


def _named(key: Key) -> bool:
    return any(isinstance(part, str) and _NAME.search(part) for part in key)


def revealed(value: Any) -> Any:
    """The same tree with its secrets as text: only for what opens a connection."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {name: revealed(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(revealed, value))
    return value


def hidden(value: Any) -> Any:
    """The same tree for people: secrets hidden, but for the readable part of an address; tuples as lists."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return safe(text) if safe(text) != text else HIDDEN
    if isinstance(value, Mapping):
        return {name: hidden(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(part) for part in value]
    return value


def safe(address: str) -> str:
    """An address without its password: `postgresql://user:**********@host/db`."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USER_INFO.sub(rf"\1:{HIDDEN}@", address))


def blots(value: Any) -> dict[str, str]:
    """Every secret text of a tree and what messages show instead; shorter ones than 4 are not found."""
    return {text: HIDDEN for text in _texts(value) if len(text) > 3}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)

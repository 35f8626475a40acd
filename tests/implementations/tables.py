"""Tables that the write contract loads into, made in each connector's own way."""

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from implementations.loading.write_modes import Write

T = TypeVar("T")


def writing(make: Callable[..., T], beginning: str = "met ") -> Callable[..., T]:
    """The fixture `writing`, of `make(name, write=…, contract=…, scope=…)`: a new name unless `again`."""
    names: list[str] = []

    def made(*, again: bool = False, contract: str = "evolve", scope: Any = None, **write: Any) -> T:
        if not again:
            names.append(beginning + secrets.token_hex(4))
        return make(names[-1], write=Write(**write), contract=contract, scope=scope or {})

    return made

"""Indices of a server that speaks as Elasticsearch does, for tests."""

import secrets
from collections.abc import Callable, Iterator

import httpx


def indices(server: str) -> Iterator[Callable[[], str]]:
    """Makes names of indices that nobody else uses; what was created under them goes at the end."""
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{secrets.token_hex(6)}")
        return names[-1]

    yield make
    for name in names:
        delete(server, name)


def delete(server: str, name: str) -> None:
    """The index of that name, if there is one, or the one behind an alias of it that hides deleted rows."""
    for index in (f"{name}_with_deleted", name):
        url, lenient = f"{server}/{index}", {"ignore_unavailable": "true"}
        httpx.delete(url, params=lenient, timeout=60).raise_for_status()

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
        url = f"{server}/{name}"
        httpx.delete(url, params={"ignore_unavailable": "true"}, timeout=60).raise_for_status()

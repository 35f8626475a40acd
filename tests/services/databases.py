"""Databases on a server, as many as a test asks for."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def made_on(server: str, execute: Callable[[str, str], object], drop: str) -> Iterator[Callable[[], str]]:
    """Makes new empty databases on `server`; the statement `drop` ends each at the end of the block.

    `execute(url, statement)` commits by itself.
    """
    names: list[str] = []

    def make() -> str:
        names.append(f"pipeline_test_{secrets.token_hex(6)}")
        execute(server, f"CREATE DATABASE {names[-1]}")
        return server.rpartition("/")[0] + "/" + names[-1]

    try:
        yield make
    finally:
        for name in names:
            execute(server, drop.format(name))

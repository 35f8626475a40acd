"""Users of PostgreSQL who hold one role of sql/roles.sql and no more."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from pipeline_framework.control_table import statements
from tests.services.postgres import PASSWORD, execute

ROLES = (statements.folder() / "roles.sql").read_text()


@contextmanager
def user_in(role: str, url: str) -> Iterator[str]:
    """The URL of the same database for a new user in `role`; the roles are made, and stay in the server."""
    name = f"pipeline_test_{secrets.token_hex(6)}"
    execute(url, ROLES)
    execute(url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {role}")
    try:
        yield as_user(url, name)
    finally:
        execute(url.rpartition("/")[0] + "/postgres", f"DROP ROLE IF EXISTS {name}")


def as_user(url: str, name: str) -> str:
    """The URL for another user of these tests."""
    place = urlsplit(url).netloc.rpartition("@")[2]
    password = PASSWORD.replace(" ", "%20")
    return urlsplit(url)._replace(netloc=f"{name}:{password}@{place}").geturl()

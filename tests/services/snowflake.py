"""A fake of Snowflake for tests, and how a test looks at it and steers it: see fake_snowflake/server.py.

In this order: the one of PIPELINE_TEST_FAKE_SNOWFLAKE_URL (http://127.0.0.1:PORT); one that is started here
in the environment .venv-fake_snowflake, which scripts/setup.sh makes from requirements/fake_snowflake.txt;
and else a skip with the reasons. A real account has tests of its own: tests/implementations/
test_snowflake_account.py.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from tests.services.environments import ROOT, environment
from tests.services.processes import await_answer, free_port, given, serve, stop
from tests.services.required import first_served

PROGRAM = "tests.services.fake_snowflake.server"
PASSWORD = "only for tests"


class FakeSnowflake:
    """The server at an address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def url(self, **more: str) -> SecretStr:
        """How a target reaches it; `more` changes parts of the query, `user`, `password` or `database`."""
        place = urlsplit(self.address)
        user, password = more.pop("user", "loader"), more.pop("password", PASSWORD.replace(" ", "%20"))
        path = f"{more.pop('database', 'TESTS')}/{more.pop('schema', 'PUBLIC')}"
        query = {"account": "tests", "warehouse": "LOADING", "host": "127.0.0.1", "protocol": "http"} | more
        listed = "&".join(f"{name}={value}" for name, value in query.items())
        return SecretStr(f"snowflake://{user}:{password}@/{path}?port={place.port}&{listed}")

    def sent(self) -> list[dict[str, Any]]:
        """Every login and statement since the last time."""
        told: list[dict[str, Any]] = httpx.post(f"{self.address}/fake/sent", timeout=30).json()
        return told

    def statements(self) -> list[str]:
        """The statements among them."""
        return [each["statement"] for each in self.sent() if "statement" in each]

    def answer(self, *answers: dict[str, Any]) -> None:
        """What the next statements are answered with: see `fake_snowflake/control.py`."""
        httpx.post(f"{self.address}/fake/answers", json=list(answers)).raise_for_status()

    def trust(self, *public_keys: str) -> None:
        """By which keys, in PEM, users may sign in."""
        httpx.post(f"{self.address}/fake/keys", json=list(public_keys)).raise_for_status()

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows, past the framework."""
        with self.connected() as cursor:
            return list(cursor.execute(statement).fetchall())

    def events(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table of `events`, by name; lists and objects are VARIANT, which reads as JSON."""
        with self.connected() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            names = [column.name.lower() for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        for row in rows:
            row.update({each: json.loads(row[each]) for each in ("tags", "place") if row[each] is not None})
        return rows

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A cursor of the driver's own."""
        from snowflake import connector

        place = urlsplit(self.address)
        login = {"account": "tests", "user": "loader", "password": PASSWORD, "warehouse": "LOADING"}
        where = {"host": "127.0.0.1", "port": place.port, "protocol": "http"}
        how = {"platform_detection_timeout_seconds": 0, "session_parameters": {"TIMEZONE": "UTC"}}
        with connector.connect(**login, **where, **how, database="TESTS", schema="PUBLIC") as connection:
            yield connection.cursor()


@pytest.fixture(scope="session")
def snowflake_server(s3_server: str) -> Iterator[FakeSnowflake]:
    """A fake, whose external stages read from the S3 store of the tests."""
    for address in first_served("snowflake", named, from_environment(s3_server)):
        yield FakeSnowflake(address)


@pytest.fixture
def snowflake(snowflake_server: FakeSnowflake) -> Iterator[FakeSnowflake]:
    """The fake, as nobody has steered it."""
    snowflake_server.sent()
    yield snowflake_server
    snowflake_server.answer()
    snowflake_server.trust()


def named(reasons: list[str]) -> AbstractContextManager[str | None]:
    """The server that the environment names."""
    return given("PIPELINE_TEST_FAKE_SNOWFLAKE_URL", reasons)


def from_environment(s3_url: str) -> Callable[[list[str]], Any]:
    """A server of the environment of its own."""

    @contextmanager
    def started(reasons: list[str]) -> Iterator[str | None]:
        try:
            python = environment("fake_snowflake") / "bin" / "python"
        except OSError as error:
            reasons.append(f"its environment cannot be made ({error})")
            yield None
            return
        port = free_port()
        process = serve([python, "-m", PROGRAM, port, s3_url], cwd=ROOT)
        try:
            address = f"http://127.0.0.1:{port}"
            await_answer(lambda: httpx.post(f"{address}/fake/sent"), process, httpx.HTTPError, 60)
            yield address
        finally:
            stop(process)

    return started

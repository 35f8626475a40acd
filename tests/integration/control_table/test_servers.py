"""PostgreSQL itself: drivers, rights, isolation, servers that refuse or do not answer."""

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from pipeline_framework.control_table import Database, PipelineKey, decisions, progress
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.control_table.states import Result, Status
from pipeline_framework.errors import Misuse, Unavailable
from tests.integration.control_table.proxy import Proxy
from tests.integration.control_table.stories import FIRST, add_hours, claim, hour, loaded
from tests.services.control import by_hand
from tests.services.postgres import execute
from tests.services.processes import free_port


def changed(url: str, **parts: object) -> str:
    """The URL with another user, password, port or database."""
    old = urlsplit(url)
    user, password = parts.get("user", old.username), parts.get("password", old.password)
    place = f"{user}:{password}@{old.hostname}:{parts.get('port', old.port)}"
    return urlunsplit((old.scheme, place, str(parts.get("path", old.path)), "", ""))


def lets_in(url: str) -> bool:
    """Whether the server takes that user and password."""
    try:
        execute(url, "SELECT 1")
    except psycopg2.OperationalError:
        return False
    return True


@pytest.mark.services
@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_wrong_password_is_told_without_it(postgres_server: str, driver: str) -> None:
    """A person's mistake, at once, and the password stays out of it; in both drivers."""
    wrong = changed(postgres_server, password="hunter2")
    if lets_in(wrong):
        pytest.skip("this server asks nobody for a password")
    url = wrong.replace("postgresql", driver, 1)
    with Database(url) as database, pytest.raises(Misuse, match="password authentication failed") as told:
        database.now()
    assert "hunter2" not in str(told.value)
    assert "hunter2" not in database.safe_url


@pytest.mark.services
def test_missing_database_is_told(postgres_server: str) -> None:
    """The name of the database that is not there."""
    url = changed(postgres_server, path="/nowhere")
    with Database(url) as database, pytest.raises(Misuse, match='database "nowhere" does not exist'):
        database.now()


@pytest.mark.services
def test_missing_right_is_told(fresh_postgres: Callable[[], str]) -> None:
    """Which right on which table or schema; nothing was changed."""
    url = fresh_postgres()
    with Database(url) as database:
        migrate(database)
    name = urlsplit(url).path.strip("/")
    execute(url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret of a reader'")
    try:
        guest = changed(url, user=name, password="secret%20of%20a%20reader")
        denied = r"permission denied for table pipelines; grant this user the right"
        with Database(guest) as database, pytest.raises(Misuse, match=denied):
            database.run("grid_history", pipeline_id="p", mapping_name="")
    finally:
        execute(url, f"DROP ROLE {name}")


def test_server_that_does_not_answer_is_unavailable() -> None:
    """After a few tries, with address and what to check, without the password."""
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/control"
    began = time.monotonic()
    with Database(url, patience=0.5) as database, pytest.raises(Unavailable, match="does not answer") as told:
        database.now()
    assert 0.3 < time.monotonic() - began < 10
    assert "hunter2" not in str(told.value)


@pytest.mark.services
def test_server_that_comes_back_in_time_is_waited_for(postgres_control_url: str) -> None:
    """A connection that fails is tried again within the patience."""
    port = free_port()
    proxies: list[Proxy] = []

    def appear() -> None:
        parts = urlsplit(postgres_control_url)
        proxies.append(Proxy((str(parts.hostname), parts.port or 5432), port))

    timer = threading.Timer(0.4, appear)
    timer.start()
    with Database(changed(postgres_control_url, port=port)) as database:
        assert database.now().year > 2000
    timer.join()
    proxies[0].close()


@pytest.mark.services
def test_isolation_is_pinned(fresh_postgres: Callable[[], str]) -> None:
    """READ COMMITTED, also where the database's own default is another."""
    url = fresh_postgres()
    execute(
        url,
        f"ALTER DATABASE {urlsplit(url).path.strip('/')} SET default_transaction_isolation = 'serializable'",
    )
    with Database(url) as database:
        assert by_hand(database, "SHOW transaction_isolation") == [
            {"transaction_isolation": "read committed"}
        ]


@pytest.mark.services
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+psycopg2", "postgres"])
def test_drivers_do_the_same(postgres_control_url: str, key: PipelineKey, driver: str) -> None:
    """Psycopg 3 by its URL, psycopg2 by name, and the URL that Airflow writes."""
    with Database(postgres_control_url.replace("postgresql", driver, 1)) as control:
        assert migrate(control) == []
        assert add_hours(control, key, 3, key_x="é") == 3
        first = claim(control, key)
        loaded(control, first.lock())
        done = progress.complete(
            control, first.lock(), Result.LOADED, audit_detail={"a": None}, count_difference=-1
        )
        assert (done.audit_detail, done.count_difference, done.key_x) == ({"a": None}, -1, "é")
        failed = progress.fail(control, claim(control, key).lock(), "no luck", backoff_seconds=1)
        assert failed.pipeline_status is Status.PENDING
        who: dict[str, Any] = {"actor": "ann", "reason": "x"}
        assert len(decisions.retry(control, key, first=FIRST, last=hour(3).end, **who)) == 1
        assert len(decisions.reopen(control, key, first=FIRST, last=hour(3).end, **who)) == 1

"""The door to the control database: transactions, clocks, threads, busy files, and errors in one sentence."""

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from pipeline_framework.control_table import Database, PipelineKey, decisions, new_windows, progress
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.control_table.states import Result, Status
from pipeline_framework.errors import Misuse, Unavailable
from tests.integration.control_table.stories import FIRST, HOUR, HOURLY, add_hours, claim, hour, loaded, new
from tests.services.control import by_hand
from tests.services.postgres import execute, free_port


def test_transaction_that_raises_leaves_nothing(control: Database, key: PipelineKey) -> None:
    """Several statements happen together or not at all."""
    with pytest.raises(ZeroDivisionError), control.transaction() as transaction:  # noqa: PT012
        transaction.run("announce_pipeline", **key.parameters, grid_history="x")
        raise ZeroDivisionError
    assert control.run("grid_history", **key.parameters) == []
    with control.transaction() as transaction:
        transaction.run("announce_pipeline", **key.parameters, grid_history="x")
    assert control.run("grid_history", **key.parameters) == [{"grid_history": "x"}]


def test_clock_is_the_databases_in_utc(control: Database) -> None:
    """Aware, in UTC, and of now."""
    assert control.now().tzinfo is UTC
    assert abs(control.now() - datetime.now(UTC)) < timedelta(seconds=30)


def test_threads_share_a_database(control: Database, key: PipelineKey) -> None:
    """A phase, its renewal thread and others use one Database at the same time."""
    add_hours(control, key, 40)
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda number: claim(control, key, f"run {number}"), range(40)))
    assert sorted(record.window for record in records) == [hour(number) for number in range(40)]


def test_time_without_a_zone_is_refused(control: Database) -> None:
    """A naive time would be read differently on every machine."""
    with pytest.raises(ValueError, match="has no time zone"):
        control.run("window_at", pipeline_id="p", mapping_name="", window_start=datetime(2013, 1, 1))  # noqa: DTZ001


def test_instants_survive_to_the_microsecond(control: Database, key: PipelineKey) -> None:
    """Also those before 1970 and of early years, in a zone of their own, sorted as instants."""
    early = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    windows = [
        hour(0),
        type(hour(0))(early, early + HOUR),
        type(hour(0))(FIRST + 2 * HOUR, FIRST + 2.5 * HOUR),
    ]
    new_windows.add(control, key, HOURLY, map(new, windows))
    assert new_windows.islands(control, key) == sorted(windows)


def test_sqlite_keeps_one_form_of_time(tmp_path: Path) -> None:
    """Shorter forms sort wrongly, so the table refuses them."""
    with Database(f"sqlite:///{tmp_path}/c.db") as control:
        migrate(control)
        add_hours(control, PipelineKey("p"), 1)
        for form in ("2013-03-10 00:00:00", "2013-03-10T00:00:00Z", "2013-03-10T00:00:00.000Z"):
            with pytest.raises(Exception, match="pipeline_records_times"):
                by_hand(control, "UPDATE pipeline_records SET window_start_time = :form", form=form)


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    """Readers and the writer do not wait for each other."""
    with Database(f"sqlite:///{tmp_path}/c.db") as control:
        migrate(control)
        with control.transaction() as transaction:
            transaction.run("announce_pipeline", pipeline_id="p", mapping_name="", grid_history="x")
            began = time.monotonic()
            assert control.run("grid_history", pipeline_id="p", mapping_name="") == []
            assert time.monotonic() - began < 1


def test_busy_file_is_waited_for(tmp_path: Path) -> None:
    """A writer that finds another one at work gets its turn."""
    with Database(f"sqlite:///{tmp_path}/c.db") as control:
        migrate(control)
        other = sqlite3.connect(tmp_path / "c.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.rollback)
        timer.start()
        assert add_hours(control, PipelineKey("p"), 1) == 1
        timer.join()
        other.close()


def test_file_that_stays_busy_is_unavailable(tmp_path: Path) -> None:
    """After the patience is used up the sentence says what to look for."""
    with Database(f"sqlite:///{tmp_path}/c.db", patience=0.2) as control:
        migrate(control)
        other = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"c\.db: another process keeps it busy"):
            control.run("announce_pipeline", pipeline_id="p", mapping_name="", grid_history="x")
        with pytest.raises(Unavailable, match="another process keeps it busy"), control.transaction():
            pass
        other.close()


def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Any other file under that name is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough to be looked at\n" * 20)
    with Database(f"sqlite:///{path}") as database, pytest.raises(Misuse, match="not a SQLite database"):
        migrate(database)
    assert path.read_text().startswith("these are my notes")


def test_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    """A path that cannot be opened names the file and what to check."""
    with (
        Database(f"sqlite:///{tmp_path}", patience=0.1) as database,
        pytest.raises(Misuse, match="cannot be opened"),
    ):
        database.now()


def test_read_only_file_is_told(tmp_path: Path) -> None:
    """Reading works, writing says what right is missing."""
    with Database(f"sqlite:///{tmp_path}/c.db") as database:
        migrate(database)
    with Database(f"sqlite:///file:{tmp_path}/c.db?mode=ro&uri=true") as database:
        assert database.run("grid_history", pipeline_id="p", mapping_name="") == []
        with pytest.raises(Misuse, match="read-only; give this user the right to write"):
            database.run("announce_pipeline", pipeline_id="p", mapping_name="", grid_history="x")


def changed(url: str, **parts: object) -> str:
    """The URL with another user, password, port or database."""
    old = urlsplit(url)
    user, password = parts.get("user", old.username), parts.get("password", old.password)
    place = f"{user}:{password}@{old.hostname}:{parts.get('port', old.port)}"
    return urlunsplit((old.scheme, place, str(parts.get("path", old.path)), "", ""))


@pytest.mark.services
@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_wrong_password_is_told_without_it(postgres_server: str, driver: str) -> None:
    """A person's mistake, at once, and the password stays out of it; in both drivers."""
    url = changed(postgres_server, password="hunter2").replace("postgresql", driver, 1)
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
    from tests.integration.control_table.proxy import Proxy

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
        filters = {
            "first": FIRST,
            "last": hour(9).end,
            "status": "",
            "result": "",
            "page_size": 9,
            "page_start": 0,
        }
        assert len(control.run("windows_touching", **key.parameters, **filters)) == 3

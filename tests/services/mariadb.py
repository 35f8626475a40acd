"""A MariaDB for tests: one server per test session, databases as many as tests ask for.

In this order: the server of PIPELINE_TEST_MARIADB_URL (a user who may create databases and users; MySQL
will do); the system's programs on a free loopback port; a container; and else a skip with the reasons.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

from tests.services.databases import made_on
from tests.services.processes import (
    await_answer,
    docker_answers,
    free_port,
    given,
    ordinary_user,
    serve,
    stop,
)
from tests.services.required import first_served

PASSWORD = "only for tests"
# Whoever forgets UTC is off by 5:45, and whoever forgets his character set or strictness loses values.
SETTINGS = {
    "bind-address": "127.0.0.1",
    "default-time-zone": "+05:45",
    "character-set-server": "latin1",
    "sql-mode": "",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "0",
    "innodb-buffer-pool-size": "64M",
    "max-connections": "120",
}


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """The URL of a server, for a user who may create databases and users."""
    yield from first_served("mariadb", named, from_system, from_container)


@pytest.fixture(scope="session")
def mariadb_without_case() -> Iterator[str]:
    """The URL of a server to which the names of tables have no case."""
    yield from first_served("mariadb", partial(from_system, lower_case_table_names="1"))


@pytest.fixture
def fresh_mariadb(mariadb_server: str) -> Iterator[Callable[[], str]]:
    """Makes new empty databases, dropped at the end of the test."""
    with databases(mariadb_server) as make:
        yield make


def databases(server: str) -> AbstractContextManager[Callable[[], str]]:
    """Makes new empty databases on `server`; they are dropped at the end of the block."""
    return made_on(server, execute, "DROP DATABASE IF EXISTS {}")


def execute(url: str, *statements: str, **settings: Any) -> list[tuple[Any, ...]]:
    """The rows of the last statement, each committed by itself; past the framework, in a session of UTC."""
    parts = urlsplit(url)
    place = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:] or None}
    login = {"user": parts.username, "password": unquote(parts.password or "")}
    rows: list[tuple[Any, ...]] = []
    session = {"charset": "utf8mb4", "autocommit": True, **place, **login, **settings}
    with pymysql.connect(**session) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
    return rows


def insert(url: str, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement with `%s` for each value, once for each row; times are UTC."""
    parts = urlsplit(url)
    place = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:]}
    login = {"user": parts.username, "password": unquote(parts.password or "")}
    session = {**place, **login, "charset": "utf8mb4", "autocommit": True}
    with pymysql.connect(**session) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.executemany(statement, rows)


def named(reasons: list[str]) -> AbstractContextManager[str | None]:
    """The server that the environment names."""
    return given("PIPELINE_TEST_MARIADB_URL", reasons)


@contextmanager
def from_system(reasons: list[str], **settings: str) -> Iterator[str | None]:
    """A server of the system's programs, with its data in a folder that goes away with it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    programs = {name: shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db")}
    if missing := [name for name, place in programs.items() if not place]:
        reasons.append(f"{' and '.join(missing)} not found")
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="pipeline-mariadb-"))
    process = None
    try:
        port, process = start(programs, folder, **settings)
        yield f"mysql://tests:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/mysql"
    except (OSError, subprocess.SubprocessError, TimeoutError) as error:
        if process is not None:
            raise
        reasons.append(f"{programs['mariadbd']} does not start ({error})")
        yield None
    finally:
        if process is not None:
            stop(process, SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def from_container(reasons: list[str]) -> Iterator[str | None]:
    """A server in a container, where a Docker engine answers."""
    if not docker_answers(reasons):
        yield None
        return
    from testcontainers.community.mysql import MySqlContainer

    with MySqlContainer("mariadb:11", username="root", root_password="tests", password="tests") as container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(3306)}"
        yield f"mysql://root:tests@{address}/mysql"


def start(programs: dict[str, Any], folder: Path, **settings: str) -> tuple[int, "subprocess.Popen[bytes]"]:
    """Serve from `folder`, with a user `tests` who may do everything; port and process."""
    user, data, socket = ordinary_user(folder), folder / "data", folder / "socket"
    install = [programs["mariadb-install-db"], "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    normal = "--auth-root-authentication-method=normal"
    subprocess.run([*install, normal], check=True, timeout=60, capture_output=True, cwd=folder, **user)
    port = free_port()
    place = {"datadir": data, "socket": socket, "port": port}
    options = [f"--{name}={value}" for name, value in {**SETTINGS, **place, **settings}.items()]
    process = serve([programs["mariadbd"], "--no-defaults", *options], SIGKILL, cwd=folder, **user)
    tests = f"GRANT ALL ON *.* TO tests@'%' IDENTIFIED BY '{PASSWORD}' WITH GRANT OPTION"

    def ask() -> None:
        execute("mysql://root@localhost", tests, unix_socket=str(socket))

    await_answer(ask, process, pymysql.err.OperationalError, 30)
    return port, process

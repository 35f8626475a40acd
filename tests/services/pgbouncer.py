"""A pgbouncer that pools transactions, in front of a PostgreSQL server."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg2

from tests.services.postgres import die_with_parent, free_port, ordinary_user, stop
from tests.services.required import absent

# Two connections to the server for all clients: whoever leaves something behind in a session is found out.
SETTINGS = """
[databases]
* = host={host} port={port} pool_size=2
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
pool_mode = transaction
auth_type = scram-sha-256
auth_file = {users}
auth_user = {user}
max_client_conn = 200
server_reset_query_always = 0
"""


@contextmanager
def pooled(server: str) -> Iterator[str]:
    """The way to `server`, with all its databases and users, through a pooler of transactions."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        absent("pgbouncer", ["it is not installed (Debian: apt-get install pgbouncer)"])
    folder = Path(tempfile.mkdtemp(prefix="pipeline-pgbouncer-"))
    listen = free_port()
    user = ordinary_user(folder)
    command = [program, write_settings(folder, server, listen)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "preexec_fn": die_with_parent}
    process = subprocess.Popen(command, cwd=folder, **quiet, **user)  # type: ignore[call-overload]
    try:
        yield await_answer(through(server, listen), process)
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def write_settings(folder: Path, server: str, listen: int) -> Path:
    """The settings file; users other than the given one are looked up in the server."""
    parts = urlsplit(server)
    users = folder / "users.txt"
    users.write_text(f'"{parts.username}" "{unquote(parts.password or "")}"\n')
    values = {"host": parts.hostname, "port": parts.port or 5432, "user": parts.username}
    path = folder / "pgbouncer.ini"
    path.write_text(SETTINGS.format(**values, listen=listen, users=users))
    for file in (users, path):
        file.chmod(0o644)
    return path


def through(server: str, port: int) -> str:
    """The URL with the pooler in the server's place."""
    parts = urlsplit(server)
    place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


def await_answer(url: str, process: "subprocess.Popen[bytes]") -> str:
    """The URL, once it answers; 10 seconds at most."""
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return url

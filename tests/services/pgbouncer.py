"""A pgbouncer that pools transactions, in front of a PostgreSQL server."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg2

from tests.services.processes import await_answer, free_port, ordinary_user, serve, stop
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
    process = serve(command, cwd=folder, **user)
    url = through(server, listen)
    try:
        await_answer(lambda: psycopg2.connect(url).close(), process, psycopg2.OperationalError, 10)
        yield url
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

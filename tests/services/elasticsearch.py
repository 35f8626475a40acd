"""An Elasticsearch for tests: one server per test session, indices as many as tests ask for.

In this order: the server of PIPELINE_TEST_ELASTICSEARCH_URL; one that is started here on a free loopback
port, from the distribution that Elastic publishes for integration tests, which Maven fetches; a container;
and if none is to be had, a skip with the reasons. That distribution lacks `GET /`, data streams, scripts.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest

from tests.services.processes import await_answer, free_port, given, ordinary_user, serve, stop
from tests.services.required import absent

VERSION = "8.19.21"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
SETTINGS = {
    "discovery.type": "single-node",
    "xpack.security.enabled": "false",
    "network.host": "127.0.0.1",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}
HEAP = "-Xms512m -Xmx512m"


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[str]:
    """The URL of a server on which tests may create indices."""
    reasons: list[str] = []
    for way in (named, from_maven, from_container):
        with way(reasons) as url:
            if url:
                yield url
                return
    absent("elasticsearch", reasons)


@pytest.fixture
def fresh_index(elasticsearch_server: str) -> Iterator[Callable[[], str]]:
    """Makes names of indices that nobody else uses; what was created under them goes at the end."""
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{secrets.token_hex(6)}")
        return names[-1]

    yield make
    for name in names:
        httpx.delete(
            f"{elasticsearch_server}/{name}", params={"ignore_unavailable": "true"}
        ).raise_for_status()


def named(reasons: list[str]) -> AbstractContextManager[str | None]:
    """The server that the environment names."""
    return given("PIPELINE_TEST_ELASTICSEARCH_URL", reasons)


@contextmanager
def from_maven(reasons: list[str]) -> Iterator[str | None]:
    """A server whose programs Maven fetches."""
    missing = [program for program in ("mvn", "java") if shutil.which(program) is None]
    if missing:
        reasons.append(f"{' and '.join(missing)} not found")
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="pipeline-es-"))
    process = None
    try:
        port, process = start(fetched(folder), folder)
        yield f"http://127.0.0.1:{port}"
    except (OSError, subprocess.SubprocessError, TimeoutError) as error:
        if process is not None:
            raise
        reasons.append(f"{ARTIFACT} does not start ({error})")
        yield None
    finally:
        if process is not None:
            stop(process, SIGTERM)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def from_container(reasons: list[str]) -> Iterator[str | None]:
    """A server in a container, where a Docker engine answers."""
    try:
        import docker  # type: ignore[import-untyped]

        docker.from_env(timeout=2).ping()
        from testcontainers.community.elasticsearch import ElasticSearchContainer
    except Exception as error:  # noqa: BLE001 - whatever is the matter, there is no engine
        reasons.append(f"no Docker engine answers ({type(error).__name__})")
        yield None
        return
    with ElasticSearchContainer(f"elasticsearch:{VERSION}", mem_limit="2g") as container:
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(9200)}"


def fetched(folder: Path) -> Path:
    """The distribution, unpacked in `folder`; Maven keeps the archive in its own cache."""
    copy = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    subprocess.run(copy, check=True, timeout=600, capture_output=True, cwd=folder)
    archive = folder / f"elasticsearch-{VERSION}.zip"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    archive.unlink()
    home = folder / f"elasticsearch-{VERSION}"
    for program in (home / "bin").iterdir():
        program.chmod(0o755)
    return home


def start(home: Path, folder: Path) -> tuple[int, "subprocess.Popen[bytes]"]:
    """Serve from `home`, data in `folder`; port and process."""
    user = ordinary_user(folder)
    if "user" in user:
        subprocess.run(["chown", "-R", f"{user['user']}:{user['group']}", str(folder)], check=True)
    port, transport = free_port(), free_port()
    own = {
        "http.port": port,
        "transport.port": transport,
        "path.data": folder / "data",
        "path.logs": folder / "logs",
    }
    settings = [word for pair in ({**SETTINGS, **own}).items() for word in ("-E", "=".join(map(str, pair)))]
    java = Path(shutil.which("java") or "").resolve().parents[1]
    environment = {**os.environ, "ES_JAVA_HOME": str(java), "ES_JAVA_OPTS": HEAP, "HOME": str(folder)}
    command = [home / "bin" / "elasticsearch", *settings]
    process = serve(command, SIGTERM, cwd=folder, env=environment, **user)
    await_http(f"http://127.0.0.1:{port}/_cluster/health?wait_for_status=yellow", process)
    return port, process


def await_http(address: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers, 120 seconds at most; it is stopped where it does not."""
    try:
        await_answer(lambda: httpx.get(address, timeout=5).raise_for_status(), process, httpx.HTTPError, 120)
    except TimeoutError:
        stop(process, SIGTERM)
        raise

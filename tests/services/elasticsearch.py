"""An Elasticsearch for tests: one server per test session, indices as many as tests ask for.

In this order: the server of PIPELINE_TEST_ELASTICSEARCH_URL; one that is started here on a free loopback
port, from the distribution that Elastic publishes for integration tests, which Maven fetches; a container;
and if none is to be had, a skip with the reasons. That distribution lacks `GET /`, data streams, scripts.
"""

import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

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
SECURITY = {
    "xpack.security.enabled": "true",
    "xpack.security.autoconfiguration.enabled": "false",
    "xpack.security.http.ssl.enabled": "true",
    "xpack.security.http.ssl.key": "server.key",
    "xpack.security.http.ssl.certificate": "server.crt",
}


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


@dataclass(frozen=True, slots=True)
class Secured:
    """A server behind TLS: its address, its administrator's password, and the certificate to trust."""

    url: str
    password: str
    ca_certs: Path

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """A request of the administrator's."""
        trusted = ssl.create_default_context(cafile=str(self.ca_certs))
        who = ("elastic", self.password)
        return httpx.request(method, self.url + path, auth=who, verify=trusted, **how).raise_for_status()


@pytest.fixture(scope="session")
def secured_elasticsearch() -> Iterator[Secured]:
    """A server of this machine that wants a name and a password, and shows a certificate of its own."""
    missing = [program for program in ("mvn", "java", "openssl") if shutil.which(program) is None]
    if missing:
        absent("elasticsearch", [f"{' and '.join(missing)} not found"])
    with tempfile.TemporaryDirectory(prefix="pipeline-es-") as name:
        folder, password = Path(name), secrets.token_hex(12)
        home = fetched(folder)
        certificate = home / "config" / "server.crt"
        certify(certificate)
        keep_password(home, folder, password)
        url, process = start(home, folder, **SECURITY)
        secured = Secured(url.replace("http", "https"), password, certificate)
        try:
            trusted = ssl.create_default_context(cafile=str(certificate))
            await_http(f"{secured.url}/_cluster/health", process, auth=("elastic", password), verify=trusted)
            yield secured
        finally:
            stop(process, SIGTERM)


def certify(certificate: Path) -> None:
    """A certificate for this host, signed by itself, and its key beside it."""
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)


def keep_password(home: Path, folder: Path, password: str) -> None:
    """The administrator's password, in the server's own store."""
    program, knowing = str(home / "bin" / "elasticsearch-keystore"), environment(folder)
    subprocess.run([program, "create"], check=True, capture_output=True, env=knowing)
    adding = [program, "add", "-x", "-f", "bootstrap.password"]
    subprocess.run(adding, check=True, capture_output=True, env=knowing, input=password.encode())


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
        url, process = start(fetched(folder), folder)
        await_http(f"{url}/_cluster/health?wait_for_status=yellow", process)
        yield url
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


def start(home: Path, folder: Path, **settings: str) -> tuple[str, "subprocess.Popen[bytes]"]:
    """Serve from `home`, data in `folder`; address and process."""
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
    told = [
        word for pair in {**SETTINGS, **own, **settings}.items() for word in ("-E", "=".join(map(str, pair)))
    ]
    command = [home / "bin" / "elasticsearch", *told]
    process = serve(command, SIGTERM, cwd=folder, env=environment(folder), **user)
    return f"http://127.0.0.1:{port}", process


def environment(folder: Path) -> dict[str, str]:
    """What its programs want to know."""
    java = Path(shutil.which("java") or "").resolve().parents[1]
    return {**os.environ, "ES_JAVA_HOME": str(java), "ES_JAVA_OPTS": HEAP, "HOME": str(folder)}


def await_http(address: str, process: "subprocess.Popen[bytes]", **how: Any) -> None:
    """Wait until the server answers, 120 seconds at most; it is stopped where it does not."""
    try:
        await_answer(
            lambda: httpx.get(address, timeout=5, **how).raise_for_status(), process, httpx.HTTPError, 120
        )
    except TimeoutError:
        stop(process, SIGTERM)
        raise

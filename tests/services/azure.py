"""A store that speaks as Azure Blob Storage does: one server per test session, containers as tests ask for.

In this order: the address of PIPELINE_TEST_AZURE_URL (an account of Azurite's name and key); Azurite,
Microsoft's own emulator, which npm fetches, on a free loopback port; and else a skip with the reasons.
"""

import base64
import hashlib
import hmac
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.services.processes import await_answer, free_port, given, serve, stop
from tests.services.required import first_served

if TYPE_CHECKING:
    from obstore.store import AzureStore

AZURITE = "azurite@3.37.0"
# Of every Azurite: learn.microsoft.com/azure/storage/common/storage-connect-azurite.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2021-08-06"  # of the protocol


@pytest.fixture(scope="session")
def azure_server() -> Iterator[str]:
    """The address of an account in which tests may make containers."""
    yield from first_served("azure", named, from_npm)


@pytest.fixture
def fresh_container(azure_server: str) -> Callable[[], str]:
    """Makes empty containers; they live as long as the server."""

    def make() -> str:
        name = f"test-{secrets.token_hex(6)}"
        address = f"{azure_server}/{name}?restype=container"
        httpx.put(address, headers=signed("PUT", name, "restype:container")).raise_for_status()
        return name

    return make


def store(server: str, container: str) -> "AzureStore":
    """The container, past the framework."""
    from obstore.store import AzureStore

    return AzureStore(
        container, account_name=ACCOUNT, account_key=KEY, endpoint=server, client_options={"allow_http": True}
    )


def signed(verb: str, container: str, query: str) -> dict[str, str]:
    """Headers of a request without a body.

    learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
    """
    known = {"x-ms-date": format_datetime(datetime.now(UTC), usegmt=True), "x-ms-version": VERSION}
    headers = "".join(f"{name}:{value}\n" for name, value in known.items())
    text = f"{verb}{chr(10) * 12}{headers}/{ACCOUNT}/{ACCOUNT}/{container}\n{query}"
    proof = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    return {**known, "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(proof).decode()}"}


def named(reasons: list[str]) -> AbstractContextManager[str | None]:
    """The server that the environment names."""
    return given("PIPELINE_TEST_AZURE_URL", reasons)


@contextmanager
def from_npm(reasons: list[str]) -> Iterator[str | None]:
    """Azurite, fetched into a folder that goes with the block."""
    if not shutil.which("npm"):
        reasons.append("npm not found")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="pipeline-azurite-", ignore_cleanup_errors=True) as name:
        fetch = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", name, AZURITE]
        try:
            subprocess.run(fetch, check=True, timeout=600, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(f"npm fetches no {AZURITE} ({error})")
            yield None
            return
        with started(Path(name)) as url:
            yield url


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """Azurite of that folder, all in memory, ended with the block."""
    port = free_port()
    program = [
        folder / "node_modules" / ".bin" / "azurite-blob",
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        port,
    ]
    process = serve(
        [*program, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck"], SIGTERM, cwd=folder
    )
    try:
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        await_answer(lambda: httpx.get(url, timeout=5), process, httpx.HTTPError, 120)
        yield url
    finally:
        stop(process, SIGTERM)

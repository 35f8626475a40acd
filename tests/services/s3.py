"""An S3 store for tests: one server per test session, buckets as many as tests ask for.

In this order: the server of PIPELINE_TEST_S3_URL (with the credentials of the AWS variables); moto's server
on a free loopback port, which keeps S3's rules on conditional writes and paging but believes any signature;
and else a skip with the reasons.
"""

import importlib.util
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from signal import SIGTERM
from typing import TYPE_CHECKING

import pytest

from tests.services.distributions import await_http
from tests.services.processes import free_port, given, serve, stop
from tests.services.required import first_served

if TYPE_CHECKING:
    import boto3

KEYS = {"access_key_id": "tests", "secret_access_key": "only for tests"}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server on which tests may make buckets."""
    yield from first_served("s3", named, from_moto)


@pytest.fixture
def fresh_bucket(s3_server: str) -> Callable[[], str]:
    """Makes empty buckets; they live as long as the server."""

    def make() -> str:
        name = f"test-{secrets.token_hex(6)}"
        client(s3_server).create_bucket(Bucket=name)
        return name

    return make


def client(server: str) -> "boto3.client":
    """Amazon's own client, to look at buckets past the framework; other test rooms do without it."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", KEYS["access_key_id"]),
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", KEYS["secret_access_key"]),
    )


def named(reasons: list[str]) -> AbstractContextManager[str | None]:
    """The server that the environment names."""
    return given("PIPELINE_TEST_S3_URL", reasons)


@contextmanager
def from_moto(reasons: list[str]) -> Iterator[str | None]:
    """The server that comes with moto, ended with the block."""
    if importlib.util.find_spec("moto") is None:
        reasons.append("moto is not installed")
        yield None
        return
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = serve(command)
    try:
        await_http(f"http://127.0.0.1:{port}/moto-api/", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process, SIGTERM)

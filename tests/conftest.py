"""What every test room shares: services (tests/services) and Hypothesis's profiles."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.services.postgres",
    "tests.services.control",
    "tests.services.elasticsearch",
    "tests.services.opensearch",
    "tests.services.mariadb",
    "tests.services.azure",
    "tests.services.fake_gcs",
    "tests.services.s3",
    "tests.services.snowflake",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, not skip, what needs an account that costs money: a skip would be a failure in CI."""
    if not os.environ.get("PIPELINE_TEST_SNOWFLAKE_URL"):
        away = [item for item in items if item.get_closest_marker("snowflake_account")]
        items[:] = [item for item in items if item not in away]
        config.hook.pytest_deselected(items=away)


settings.register_profile("default", deadline=None)
settings.register_profile(
    "thorough", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("short", deadline=None, max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

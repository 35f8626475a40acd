"""What every test room shares: services (tests/services) and Hypothesis's profiles."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.services.postgres",
    "tests.services.control",
    "tests.services.elasticsearch",
    "tests.services.opensearch",
    "tests.services.mariadb",
    "tests.services.azure",
    "tests.services.s3",
    "tests.services.snowflake",
]

settings.register_profile("default", deadline=None)
settings.register_profile(
    "thorough", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("short", deadline=None, max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

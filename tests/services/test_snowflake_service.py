"""A real Snowflake account is asked for by the environment, and by nothing else."""

import os
import subprocess
import sys

import pytest

SUITE = "tests/implementations/test_snowflake_account.py"


@pytest.mark.parametrize(
    ("url", "words"), [("", "no tests collected"), ("snowflake://u@a/D", "tests collected")]
)
def test_suite_of_a_real_account_is_switched_on_by_its_url(url: str, words: str) -> None:
    """Without it every test is deselected: no skip, which CI would take for a failure."""
    environment = {**os.environ, "PIPELINE_TEST_SNOWFLAKE_URL": url, "PIPELINE_REQUIRE_SERVICES": "all"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", SUITE]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
    assert words in said
    assert ("deselected" in said) == (not url)
    assert "skipped" not in said

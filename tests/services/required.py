"""Services that a test needs and a machine may lack."""

import os
from typing import NoReturn

import pytest


def absent(service: str, reasons: list[str]) -> NoReturn:
    """Skip for want of `service`; fail where PIPELINE_REQUIRE_SERVICES is `all` or names it."""
    text = f"no {service} to be had: {'; '.join(reasons)}"
    wanted = os.environ.get("PIPELINE_REQUIRE_SERVICES", "").replace(",", " ").split()
    if "all" in wanted or service in wanted:
        pytest.fail(text)
    pytest.skip(text)

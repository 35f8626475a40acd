"""Services that a test needs and a machine may lack."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NoReturn

import pytest


def absent(service: str, reasons: list[str]) -> NoReturn:
    """Skip for want of `service`; fail where PIPELINE_REQUIRE_SERVICES is `all` or names it."""
    text = f"no {service} to be had: {'; '.join(reasons)}"
    wanted = os.environ.get("PIPELINE_REQUIRE_SERVICES", "").replace(",", " ").split()
    if "all" in wanted or service in wanted:
        pytest.fail(text)
    pytest.skip(text)


def first_served(
    service: str, *ways: Callable[[list[str]], AbstractContextManager[str | None]]
) -> Iterator[str]:
    """The URL that the first of the ways to a service gives; each that gives none says why."""
    reasons: list[str] = []
    for way in ways:
        with way(reasons) as url:
            if url:
                yield url
                return
    absent(service, reasons)

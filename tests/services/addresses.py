"""Addresses of databases that are wrong in one part, and what is told of them."""

import pytest
from pydantic import SecretStr

from pipeline_framework.errors import PipelineError
from pipeline_framework.interfaces import Source, Target
from pipeline_framework.testing.truth import WINDOW


def elsewhere(url: str, **parts: str) -> SecretStr:
    """The address with another password or place."""
    head, _, place = url.rpartition("@")
    server, _, database = place.partition("/")
    user = head.rpartition(":")[0]
    password = parts.get("password", head.rpartition(":")[2])
    return SecretStr(f"{user}:{password}@{parts.get('server', server)}/{parts.get('database', database)}")


def refused(system: Source | Target, kind: type[PipelineError], said: str) -> None:
    """It says so, and no password, neither in the error nor of itself."""
    with pytest.raises(kind, match=said) as raised:
        system.count(WINDOW)
    for secret in ("s3cr", "only for tests", "only%20for%20tests"):
        assert secret not in str(raised.value) + repr(system)

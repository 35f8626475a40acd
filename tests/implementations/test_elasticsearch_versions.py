"""Elasticsearch 9 keeps the contracts of source and target, with the clients of versions 8 and 9.

The tests are the very ones of version 8, run in a process of their own: that is how another client is had.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.environments import ROOT, environment
from tests.services.required import absent

pytestmark = [pytest.mark.services, pytest.mark.slow]

HERE = Path(__file__).parent
CONTRACTS = [
    HERE / "test_elasticsearch_contract.py",
    HERE / "test_elasticsearch_data_streams.py",
    f"{HERE / 'test_elasticsearch_target.py'}::TestElasticsearchTarget",
    f"{HERE / 'test_elasticsearch_target.py'}::TestElasticsearchScope",
]


def client(major: int) -> dict[str, str]:
    """The environment of a process in which `elasticsearch` is of that version."""
    if version("elasticsearch").startswith(f"{major}."):
        return {}
    try:
        folder = next(environment(f"elasticsearch_{major}").glob("lib/python*/site-packages"))
    except OSError as error:
        absent(f"elasticsearch-{major}", [f"its client cannot be installed ({error})"])
    return {"PYTHONPATH": str(folder)}


def told(*words: object, **more: str) -> "subprocess.CompletedProcess[str]":
    """How a Python with other variables goes."""
    command = [sys.executable, *map(str, words)]
    without = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    how: dict[str, Any] = {"capture_output": True, "text": True, "cwd": ROOT, "timeout": 1800}
    return subprocess.run(command, check=False, env={**without, **more}, **how)


@pytest.mark.parametrize("major", [8, 9])
def test_a_server_of_version_9_keeps_the_contracts(elasticsearch_9_server: str, major: int) -> None:
    """Source, data streams, target and scopes, with either client."""
    nodes = httpx.get(f"{elasticsearch_9_server}/_nodes/_local").json()["nodes"]
    assert [node["version"].partition(".")[0] for node in nodes.values()] == ["9"]
    speaking = client(major)
    installed = told("-c", "import elasticsearch; print(elasticsearch.__versionstr__)", **speaking)
    assert installed.stdout.startswith(f"{major}."), installed
    served = {"PIPELINE_TEST_ELASTICSEARCH_URL": elasticsearch_9_server, "PIPELINE_REQUIRE_SERVICES": "all"}
    quiet = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    ran = told(*quiet, *CONTRACTS, **served, **speaking)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]


def test_a_server_of_version_8_does_not_understand_the_newer_client(elasticsearch_server: str) -> None:
    """Source and target say so in one sentence that names what to install."""
    asking = (
        "from pydantic import SecretStr\n"
        "from pipeline_framework.errors import Misuse\n"
        "from implementations.elasticsearch.source import ElasticsearchSource\n"
        "from implementations.elasticsearch.target import ElasticsearchTarget\n"
        "for kind in (ElasticsearchSource, ElasticsearchTarget):\n"
        "    try:\n"
        f"        kind(SecretStr({elasticsearch_server!r}), 'events', 'at').check()\n"
        "    except Misuse as refused:\n"
        "        print(refused)\n"
    )
    ran = told("-c", asking, **client(9))
    sentence = (
        f"{elasticsearch_server} is of an older major version than the client that is installed here: "
        "`pip install 'elasticsearch<9'` for a server of version 8."
    )
    assert ran.stdout.splitlines() == [sentence, sentence], ran.stderr[-2000:]

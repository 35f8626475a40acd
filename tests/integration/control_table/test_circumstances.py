"""The moves hold on every PostgreSQL that is supported, behind a pooler, and on an older and a newer schema.

Each test runs the tests of this room once more in a process of its own, with the circumstance in its
environment (tests/services/control.py reads it), and fewer random examples.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_framework.control_table import migrations
from tests.services.pgbouncer import pooled
from tests.services.postgres_versions import server
from tests.services.schemas import shipped

pytestmark = [pytest.mark.services, pytest.mark.slow]

ROOM = Path(__file__).parent
ROOT = ROOM.parents[2]
# Those that choose server or schema themselves, or look at what is the same everywhere.
OWN = ("circumstances", "database", "migrations", "outages", "plans", "rights", "servers")
OTHERS = {f"test_{name}.py" for name in OWN}
SUITE = sorted(str(path) for path in ROOM.glob("test_*.py") if path.name not in OTHERS)
# What takes seconds of waiting and shows little more elsewhere.
SLOW = ("careless", "living", "stopped", "late", "any_message", "ring")
QUICK = " and ".join(f"not {word}" for word in SLOW)


def run_again(chosen: str, *files: str, **environment: str) -> None:
    """Run the tests of the room that `chosen` selects, in another process; all of them have to pass."""
    words = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", chosen, *(files or SUITE))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    told = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT,
        env={**kept, "HYPOTHESIS_PROFILE": "short", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-1000:]
    passed = re.search(r"(\d+) passed", told.stdout)
    assert passed, told.stdout
    assert int(passed[1]) > 50, told.stdout
    assert "skipped" not in told.stdout, told.stdout


@pytest.mark.parametrize("version", [15, 16, 17])
def test_moves_hold_on_every_postgresql(version: int) -> None:
    """Claims, concurrency, rescue, lost replies and the state machine; 18 is what the fixtures start."""
    with server(version) as url:
        run_again(f"({QUICK}) and not sqlite", PIPELINE_TEST_POSTGRESQL_URL=url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_moves_hold_behind_a_pooler_of_transactions(postgres_server: str, scheme: str) -> None:
    """A statement meets another server connection than the one before: nothing of ours lives in a session."""
    with pooled(postgres_server) as url:
        run_again(f"({QUICK}) and not sqlite", PIPELINE_TEST_POSTGRESQL_URL=url, PIPELINE_TEST_SCHEME=scheme)


@pytest.mark.parametrize("schema", ["older", "newer"])
def test_moves_hold_on_another_schema(postgres_server: str, schema: str) -> None:
    """The release before its migration, and the one before it after the migration; on both databases."""
    newest = max(migrations._number(file) for file in shipped("sqlite"))
    if schema == "older" and newest == migrations.NEEDED:
        pytest.skip("this release needs its newest migration: only a first release may")
    chosen = f"{QUICK} and not reply and not connection"  # which are the same on every schema
    run_again(chosen, PIPELINE_TEST_POSTGRESQL_URL=postgres_server, PIPELINE_TEST_SCHEMA=schema)

"""What tests of connectors share."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.target_contract import Put
from tests.services import mariadb
from tests.services.go_between import GoBetween, go_between
from tests.services.postgres import databases

NOBODY = 65534


@pytest.fixture
def others_folder() -> Iterator[Path]:
    """A file `a.csv` and a folder `closed` for their owner alone; `passage/open` for everybody."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0o700)
        for path in (folder / "a.csv", folder / "closed" / "b.csv"):
            path.write_text("happened_at\n2013-11-03T05:00:00Z\n")
            path.chmod(0o600)
        (folder / "passage" / "open").mkdir(parents=True)
        (folder / "passage" / "open" / "a.csv").write_text("happened_at\n2013-11-03T05:00:00Z\n")
        (folder / "passage").chmod(0o711)
        yield folder


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Rights count only for somebody who is not root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages a table."""
    return lambda rows: staged_in(tmp_path / "staged", rows)


@pytest.fixture
def between(elasticsearch_server: str) -> Iterator[GoBetween]:
    """What stands before the Elasticsearch of the tests."""
    with go_between(elasticsearch_server) as one:
        yield one


@pytest.fixture(scope="session")
def postgres_data_url(postgres_server: str) -> Iterator[str]:
    """A database for rows; tests keep apart by the names of their tables."""
    with databases(postgres_server) as make:
        yield make()


@pytest.fixture(scope="session")
def mariadb_data_url(mariadb_server: str) -> Iterator[str]:
    """A database for rows of MariaDB; tests keep apart by the names of their tables."""
    with mariadb.databases(mariadb_server) as make:
        yield make()

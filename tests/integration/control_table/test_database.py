"""The door to the control database: transactions, clocks, threads, busy files, and errors in one sentence."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline_framework.control_table import Database, PipelineKey, new_windows
from pipeline_framework.control_table.database import _WAITS
from pipeline_framework.control_table.migrations import migrate
from pipeline_framework.errors import Misuse, Unavailable
from tests.integration.control_table.stories import FIRST, HOUR, HOURLY, add_hours, claim, hour, new
from tests.services.control import by_hand


def test_transaction_that_raises_leaves_nothing(control: Database, key: PipelineKey) -> None:
    """Several statements happen together or not at all."""
    with pytest.raises(ZeroDivisionError), control.transaction() as transaction:  # noqa: PT012
        transaction.run("announce_pipeline", **key.parameters, grid_history="x")
        raise ZeroDivisionError
    assert control.run("grid_history", **key.parameters) == []
    with control.transaction() as transaction:
        transaction.run("announce_pipeline", **key.parameters, grid_history="x")
    assert control.run("grid_history", **key.parameters) == [{"grid_history": "x"}]


def test_clock_is_the_databases_in_utc(control: Database) -> None:
    """Aware, in UTC, and of now."""
    assert control.now().tzinfo is UTC
    assert abs(control.now() - datetime.now(UTC)) < timedelta(seconds=30)


def test_threads_share_a_database(control: Database, key: PipelineKey) -> None:
    """A phase, its renewal thread and others use one Database at the same time."""
    add_hours(control, key, 40)
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda number: claim(control, key, f"run {number}"), range(40)))
    assert sorted(record.window for record in records) == [hour(number) for number in range(40)]


def test_time_without_a_zone_is_refused(control: Database) -> None:
    """A naive time would be read differently on every machine."""
    with pytest.raises(ValueError, match="has no time zone"):
        control.run("window_at", pipeline_id="p", mapping_name="", window_start=datetime(2013, 1, 1))  # noqa: DTZ001


def test_instants_survive_to_the_microsecond(control: Database, key: PipelineKey) -> None:
    """Also those before 1970 and of early years, in a zone of their own, sorted as instants."""
    early = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    windows = [
        hour(0),
        type(hour(0))(early, early + HOUR),
        type(hour(0))(FIRST + 2 * HOUR, FIRST + 2.5 * HOUR),
    ]
    new_windows.add(control, key, HOURLY, map(new, windows))
    assert new_windows.islands(control, key) == sorted(windows)


def test_sqlite_keeps_one_form_of_time(tmp_path: Path) -> None:
    """Shorter forms sort wrongly, so the table refuses them."""
    with Database(f"sqlite:///{tmp_path}/c.db") as control:
        migrate(control)
        add_hours(control, PipelineKey("p"), 1)
        for form in ("2013-03-10 00:00:00", "2013-03-10T00:00:00Z", "2013-03-10T00:00:00.000Z"):
            with pytest.raises(Exception, match="pipeline_records_times"):
                by_hand(control, "UPDATE pipeline_records SET window_start_time = :form", form=form)


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    """Readers and the writer do not wait for each other."""
    with Database(f"sqlite:///{tmp_path}/c.db") as control:
        migrate(control)
        with control.transaction() as transaction:
            transaction.run("announce_pipeline", pipeline_id="p", mapping_name="", grid_history="x")
            began = time.monotonic()
            assert control.run("grid_history", pipeline_id="p", mapping_name="") == []
            assert time.monotonic() - began < 1


def test_busy_file_is_waited_for(tmp_path: Path) -> None:
    """A writer that finds another one at work gets its turn."""
    with Database(f"sqlite:///{tmp_path}/c.db") as control:
        migrate(control)
        other = sqlite3.connect(tmp_path / "c.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.rollback)
        timer.start()
        assert add_hours(control, PipelineKey("p"), 1) == 1
        timer.join()
        other.close()


def test_file_that_stays_busy_is_unavailable(tmp_path: Path) -> None:
    """After the patience is used up the sentence says what to look for."""
    with Database(f"sqlite:///{tmp_path}/c.db", patience=0.2) as control:
        migrate(control)
        other = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"c\.db: another process keeps it busy"):
            control.run("announce_pipeline", pipeline_id="p", mapping_name="", grid_history="x")
        with pytest.raises(Unavailable, match="another process keeps it busy"), control.transaction():
            pass
        other.close()


def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Any other file under that name is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough to be looked at\n" * 20)
    with Database(f"sqlite:///{path}") as database, pytest.raises(Misuse, match="not a SQLite database"):
        migrate(database)
    assert path.read_text().startswith("these are my notes")


def test_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    """A path that cannot be opened names the file and what to check."""
    with (
        Database(f"sqlite:///{tmp_path}", patience=0.1) as database,
        pytest.raises(Misuse, match="cannot be opened"),
    ):
        database.now()


def test_read_only_file_is_told(tmp_path: Path) -> None:
    """Reading works, writing says what right is missing."""
    with Database(f"sqlite:///{tmp_path}/c.db") as database:
        migrate(database)
    with Database(f"sqlite:///file:{tmp_path}/c.db?mode=ro&uri=true") as database:
        assert database.run("grid_history", pipeline_id="p", mapping_name="") == []
        with pytest.raises(Misuse, match="read-only; give this user the right to write"):
            database.run("announce_pipeline", pipeline_id="p", mapping_name="", grid_history="x")


def test_who_waits_longer_for_a_busy_file_asks_more_often() -> None:
    """So that of many processes none is passed over again and again; none asks without a pause."""

    def pauses(waited: float) -> list[float]:
        state = SimpleNamespace(seconds_since_start=waited)
        return [_WAITS["sqlite"](state) for _ in range(1000)]  # type: ignore[arg-type]

    assert 0.03 < max(pauses(0)) <= 0.05
    assert max(pauses(0.1)) <= 0.025
    assert max(pauses(10)) <= 0.003
    assert min(pauses(10)) >= 0.001

"""The usual mistakes end with a clear sentence and an exit code; nothing is lost and no traceback shown."""

import subprocess
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import PIPELINE, Bound, Flights

NOON = datetime(2013, 3, 9, 17, tzinfo=UTC)


def parquet(**columns: object) -> pa.Table:
    """A table of one row at noon of the first day."""
    return pa.table({"time_hour": pa.array([NOON], pa.timestamp("us", "UTC")), **columns})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("granularity: 2h", "granularty: 2h", ["pipeline.yml:3", "granularty", "granularity"]),
        ("America/New_York", "America/New_Yrok", ["pipeline.yml:2", "timezone", "America/New_York"]),
        ("granularity: 2h", "granularity: 0h", ["pipeline.yml:3", "granularity"]),
        ("granularity: 2h", "granularity: two", ["pipeline.yml:3", "granularity"]),
        ("end: 2013-03-12 ", "end: 2013-03-08 ", ["pipeline.yml:6", "end"]),
        ("x_time_back: 1d", "x_time_back: yesterday", ["pipeline.yml:4", "x_time_back"]),
        ("type: files", "type: file", ["file", "files"]),
        ("time_field: time_hour}\nstage", "time_feld: time_hour}\nstage", ["time_feld", "time_field"]),
        ("max_attempts: 3", "max_attempts: 0", ["max_attempts"]),
        ("pipeline_id: flights\n", "", ["pipeline_id"]),
        ("sqlite:///control.db", "mysql://localhost/x", ["control", "postgresql"]),
    ],
)
def test_a_mistake_in_the_file_names_line_key_and_remedy(
    flights: Flights, old: str, new: str, words: list[str]
) -> None:
    """Exit code 2; nothing was staged or loaded."""
    flights.change(old, new)
    answer = flights("run")
    assert answer.code == 2, answer.err
    for word in words:
        assert word in answer.err
    assert {path.name for path in flights.folder.iterdir()} <= {"data", "pipeline.yml", "control.db"}


def test_a_missing_file_says_how_to_make_one(flights: Flights) -> None:
    """The path that was looked for, and `pipeline init`."""
    answer = flights("status", "--config", "nowhere.yml")
    assert answer.code == 2
    assert "nowhere.yml" in answer.err
    assert "pipeline init" in answer.err


def test_a_source_without_files_names_the_pattern(flights: Flights) -> None:
    """No file matches: the pattern and the key."""
    flights.change("data/*.parquet", "dta/*.parquet")
    answer = flights("run")
    assert answer.code in {1, 2}
    assert "dta/*.parquet" in answer.err


def test_a_corrupt_parquet_file_is_named(flights: Flights) -> None:
    """The window fails and the file's name is in the message."""
    (flights.folder / "data" / "9.parquet").write_bytes(b"PAR1 and nothing else")
    answer = flights("run")
    assert answer.code == 1
    assert "9.parquet" in answer.err


def test_a_missing_time_column_names_the_nearest(flights: Flights) -> None:
    """The column looked for and the one that it may have meant."""
    flights.change("time_field: time_hour}\nstage", "time_field: time_huor}\nstage")
    answer = flights("run")
    assert answer.code in {1, 2}
    assert "time_huor" in answer.err
    assert "time_hour" in answer.err


def test_a_time_field_of_the_wrong_type_is_named(flights: Flights) -> None:
    """Numbers are no times unless their unit is declared."""
    flights.change("time_field: time_hour}\nstage", "time_field: n}\nstage")
    answer = flights("run")
    assert answer.code in {1, 2}
    assert "int64" in answer.err


def test_rows_without_a_time_fail_with_their_number(flights: Flights) -> None:
    """They belong to no window, so they must not vanish silently."""
    table = pa.table({"time_hour": pa.array([NOON, None, None], pa.timestamp("us", "UTC")), "n": [1, 2, 3]})
    pq.write_table(table, flights.folder / "data" / "9.parquet")
    answer = flights("run")
    assert answer.code == 1
    assert "2 rows" in answer.err
    assert "null_time" in answer.err


def test_columns_of_two_types_name_both_files(flights: Flights) -> None:
    """Files that cannot be one table are told apart by name."""
    pq.write_table(parquet(n=["text"]), flights.folder / "data" / "9.parquet")
    answer = flights("run", "--window", "2013-03-09T12:00")
    assert answer.code == 1
    assert "9.parquet" in answer.err


def test_an_unreachable_control_database_says_so(flights: Flights) -> None:
    """Without the password, and with what to look at."""
    flights.change("sqlite:///control.db", "postgresql://me:secret@127.0.0.1:1/none")
    answer = flights("status")
    assert answer.code == 1
    assert "127.0.0.1" in answer.err
    assert "secret" not in answer.err


def test_a_control_file_that_is_no_database_is_left_alone(flights: Flights) -> None:
    """Somebody's file is not overwritten."""
    (flights.folder / "control.db").write_text("a diary, not a database" * 100)
    answer = flights("run")
    assert answer.code in {1, 2}
    assert "control.db" in answer.err
    assert (flights.folder / "control.db").read_text().startswith("a diary")


def test_a_target_that_is_no_database_is_left_alone(flights: Flights) -> None:
    """The file stays as it is, the window waits."""
    (flights.folder / "warehouse.duckdb").write_text("a diary, not a database" * 1000)
    answer = flights("run")
    assert answer.code in {1, 2}
    assert "warehouse.duckdb" in answer.err
    assert (flights.folder / "warehouse.duckdb").read_text().startswith("a diary")


def test_a_stage_without_permission_is_named(flights: Flights) -> None:
    """The folder and what is missing."""
    stage = flights.folder / "stage"
    stage.mkdir()
    stage.chmod(0o500)
    answer = Bound(flights.folder)("run")
    assert answer.code in {1, 2}
    assert str(stage) in answer.err
    assert "Traceback" not in answer.err


def test_a_stage_that_is_a_file_is_named(flights: Flights) -> None:
    """A file stands where the folder should be."""
    (flights.folder / "stage").write_text("in the way")
    answer = flights("run")
    assert answer.code in {1, 2}
    assert "stage" in answer.err


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_time_that_is_none_names_its_option(flights: Flights, option: str) -> None:
    """Exit code 2 and the forms that are understood."""
    answer = flights("windows", option, "tomorrow")
    assert answer.code == 2
    assert option in answer.err


def test_a_backfill_before_the_start_is_refused(flights: Flights) -> None:
    """Windows before `start` are not this pipeline's."""
    answer = flights("backfill", "--from", "2012-01-01", "--to", "2012-01-02")
    assert answer.code == 2
    assert "start" in answer.err


def test_a_backfill_that_ends_before_it_begins_is_refused(flights: Flights) -> None:
    """Both options are named."""
    answer = flights("backfill", "--from", "2013-03-10", "--to", "2013-03-09")
    assert answer.code == 2
    assert "--to" in answer.err


def test_an_unknown_option_is_misuse(flights: Flights) -> None:
    """Exit code 2 from the command line itself."""
    assert flights("status", "--colour").code == 2


def test_check_names_each_part_that_is_wrong(flights: Flights) -> None:
    """One line a part; the source is wrong, the rest is fine."""
    assert flights("check").code == 0
    flights.change("data/*.parquet", "dta/*.parquet")
    answer = flights("check", "--format", "json")
    assert answer.code == 1
    assert [finding["subject"] for finding in answer.json if finding["problem"]] == ["source"]


def test_incomplete_check_fields_lock_nothing(flights: Flights) -> None:
    """A window whose key would be empty is not even added."""
    flights.change("max_attempts: 3", "max_attempts: 3\ncheck_fields: [key_x]")
    answer = flights("run")
    assert answer.code == 2
    assert "function_x" in answer.err
    assert flights("windows", "--format", "json").json == []
    flights.change("check_fields", "function_x: '{window_start:%Y/%m/%d/%H}'\ncheck_fields")
    assert flights("run", "--format", "json").json[0]["key_x"] == "2013/03/09/00"


def test_a_broken_pipe_is_quiet(flights: Flights) -> None:
    """`pipeline plan | head -1` ends without a complaint."""
    shell = ["bash", "-c", f"{PIPELINE} plan --format csv | head -1"]
    done = subprocess.run(shell, cwd=flights.folder, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("id,")
    assert done.stderr == ""

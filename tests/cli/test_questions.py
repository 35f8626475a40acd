"""Commands that only read."""

import csv
import io
from datetime import UTC, datetime

import pytest

from tests.cli.conftest import WINDOWS, Flights


def test_status_tells_how_far_the_pipeline_is_complete(flights: Flights) -> None:
    """The contract's keys, before and after a run."""
    before = flights("status", "--now", "2013-03-12", "--format", "json").json
    assert before["complete_until"] == "2013-03-09T05:00:00Z"
    assert before["lag_seconds"] == 47 * 3600
    flights("run", "--until-caught-up", "--now", "2013-03-12")
    after = flights("status", "--now", "2013-03-12", "--format", "json").json
    assert after["watermark"] == after["complete_until"] == "2013-03-11T04:00:00Z"
    assert (after["lag_seconds"], after["stale_locks"], after["gaps"]) == (0, 0, 0)
    assert after["counts"] == {"PENDING": 0, "IN_PROGRESS": 0, "COMPLETED": 23, "FAILED": 0}


def test_status_says_the_same_in_words(flights: Flights) -> None:
    """How far behind as people count it, and that no gate holds it up."""
    lines = [line.split("│") for line in flights("status", "--now", "2013-03-12").out.splitlines()[1:-1]]
    told = {name.strip(): value.strip() for _, name, value, _ in lines}
    assert told["lag_seconds"] == "169,200 (1 day, 23:00:00)"
    assert (told["gates"], told["bad_rows"]) == ("open", "0")


def test_lag_ends_at_the_pipelines_end(flights: Flights) -> None:
    """Years later nothing is behind: no window lies past `end`."""
    flights("run", "--until-caught-up")
    assert flights("status", "--format", "json").json["lag_seconds"] == 0


def test_plan_lists_every_window_across_the_clock_change(flights: Flights) -> None:
    """Contiguous in UTC, one of them three hours long, keys as the table's columns."""
    rows = flights("plan", "--format", "json").json
    assert len(rows) == WINDOWS
    ends = [row["window_end_time"] for row in rows]
    assert [row["window_start_time"] for row in rows[1:]] == ends[:-1]
    assert [row["time_interval"] for row in rows].count("3h") == 1
    assert {"pipeline_id", "target_day", "pipeline_status", "key_x"} <= rows[0].keys()


def test_plan_changes_nothing(flights: Flights) -> None:
    """After a plan no window is in the control table."""
    flights("plan")
    assert flights("windows", "--format", "json").json == []


def test_windows_as_csv_can_be_read_back(flights: Flights) -> None:
    """A header of column names and one line a window."""
    flights("run")
    rows = list(csv.DictReader(io.StringIO(flights("windows", "--format", "csv").out)))
    assert len(rows) == WINDOWS
    assert rows[0]["pipeline_status"] == "COMPLETED"
    assert datetime.fromisoformat(rows[0]["window_start_time"]) == datetime(2013, 3, 9, 5, tzinfo=UTC)


def test_windows_can_be_filtered(flights: Flights) -> None:
    """By status and by range."""
    flights("run")
    assert len(flights("windows", "--status", "COMPLETED", "--format", "json").json) == 1
    words = ("--from", "2013-03-10", "--to", "2013-03-11", "--format", "json")
    assert len(flights("windows", *words).json) == 11


def test_an_unknown_status_is_refused(flights: Flights) -> None:
    """A typing error must not look like an empty answer."""
    answer = flights("windows", "--status", "DONE")
    assert (answer.code, "COMPLETED" in answer.err) == (2, True)


def test_show_tells_the_life_of_a_window(flights: Flights) -> None:
    """Its row and its moves, in order."""
    flights("run")
    shown = flights("show", "1", "--format", "json").json
    assert shown["pipeline_status"] == "COMPLETED"
    assert shown["audit_detail"]["explanation"] == "all 12 rows are in the target"
    assert len(shown["events"]) >= 4
    assert "all 12 rows are in the target" in flights("show", "2013-03-09").out


def test_a_window_that_is_not_there_is_misuse(flights: Flights) -> None:
    """With the command that lists those that are."""
    answer = flights("show", "999")
    assert (answer.code, "pipeline windows" in answer.err) == (2, True)


def test_gaps_finds_a_hole_in_the_middle(flights: Flights) -> None:
    """A backfill of a later day leaves a hole, and the next run closes it."""
    flights("backfill", "--from", "2013-03-11", "--to", "2013-03-12")
    (hole,) = flights("gaps", "--format", "json").json
    assert (hole["kind"], hole["window_start_time"]) == ("hole", "2013-03-09T05:00:00Z")
    assert flights("status", "--format", "json").json["gaps"] == 1
    flights("run", "--until-caught-up")
    assert flights("gaps", "--format", "json").json == []


def test_locks_list_names_the_holder(flights: Flights) -> None:
    """The run that holds a window, and that it is not stale."""
    flights("task", "store_and_validate", "--run-id", "mine")
    (lock,) = flights("locks", "list", "--format", "json").json
    assert (lock["dag_run_id"], lock["stale"]) == ("mine", False)
    assert "mine" in flights("locks").out


@pytest.mark.parametrize(
    "words", [("status",), ("plan",), ("windows",), ("gaps",), ("show", "1"), ("locks", "list")]
)
def test_every_reading_command_prints_a_table(flights: Flights, words: tuple[str, ...]) -> None:
    """For people, without a format."""
    flights("run")
    answer = flights(*words)
    assert answer.code == 0
    assert answer.out.strip()


def test_planned_and_waiting_windows_make_one_table(flights: Flights) -> None:
    """A hole to be filled and a window to be run again have the same columns, as CSV too."""
    flights("backfill", "--from", "2013-03-11", "--to", "2013-03-12")
    flights("reopen", "--from", "2013-03-11")
    rows = list(csv.DictReader(io.StringIO(flights("plan", "--format", "csv").out)))
    assert len(rows) == WINDOWS
    assert {row["id"] == "" for row in rows} == {True, False}


def test_no_rows_are_still_json_and_csv(flights: Flights) -> None:
    """An empty list, and a header."""
    assert flights("windows", "--format", "json").json == []
    assert flights("windows", "--format", "csv").out.startswith("id,pipeline_id,")


def test_limits_are_obeyed_and_told(flights: Flights) -> None:
    """A table that may be cut says so; JSON is whole unless a limit is given."""
    flights("run")
    assert len(flights("windows", "--limit", "3", "--format", "json").json) == 3
    assert "--limit 0" in flights("windows", "--limit", "3").out
    assert len(flights("windows", "--format", "json").json) == WINDOWS


def test_a_range_that_ends_before_it_begins_is_refused(flights: Flights) -> None:
    """An empty answer would look like one."""
    for command in ("plan", "windows"):
        assert flights(command, "--from", "2013-03-10", "--to", "2013-03-09").code == 2


def test_brackets_in_an_error_are_shown_as_they_are(flights: Flights) -> None:
    """What others write is never read as markup."""
    (flights.folder / "odd.py").write_text(
        "from implementations.files import FilesSource\n"
        "class Odd(FilesSource):\n"
        "    def count(self, window):\n        raise ValueError('[/red] :x: \\x00 \\udc80')\n"
    )
    flights.change("type: files", "type: odd:Odd")
    assert "[/red] :x:" in flights("run").err
    assert "[/red] :x:" in flights("show", "1").out


@pytest.mark.parametrize("columns", [80, 110, 200])
def test_tables_cut_no_word_on_any_terminal(flights: Flights, columns: int) -> None:
    """A narrow one shows fewer columns, and says how to have them all."""
    flights("run")
    moves = flights("show", "1", COLUMNS=str(columns)).out.partition("Moves")[2]
    listed = flights("windows", COLUMNS=str(columns)).out
    for word in ("finish_source_to_stage", "IN_PROGRESS", "COMPLETED"):
        assert word in moves
    for word in ("2013-03-09T05:00Z", "COMPLETED", "loaded", "attempts" if columns > 80 else "source"):
        assert word in listed
    assert max(map(len, (moves + listed).splitlines())) <= columns
    assert ("a wider terminal" in listed) == (columns < 150)

"""Moves, statements and docs/states.md say the same."""

import re
from pathlib import Path

from pipeline_framework.control_table import statements
from pipeline_framework.control_table.record import COLUMNS
from pipeline_framework.control_table.states import GATE_MOVES, MOVES, Phase, Result, Status

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "states.md").read_text()
PICTURE = PAGE.split("```")[1]
TRANSITIONS = (ROOT / "sql" / "transitions.sql").read_text()
SPECIFIED = [
    "id",
    "target_day",
    "window_start_time",
    "window_end_time",
    "time_interval",
    "dag_run_id",
    "pipeline_status",
    "pipeline_locked_at",
    "source_to_stage_ingestion_start_time",
    "source_to_stage_ingestion_end_time",
    "source_to_stage_ingestion_status",
    "stage_to_target_ingestion_start_time",
    "stage_to_target_ingestion_end_time",
    "stage_to_target_ingestion_status",
    "audit_start_time",
    "audit_end_time",
    "audit_status",
    "audit_result",
    "source_count",
    "target_count",
    "count_difference",
    "percentage_difference",
    "pipeline_start_time",
    "pipeline_end_time",
    "phase_completed",
    "retry_attempt",
    "record_first_created_time",
    "record_last_updated_time",
    "key_x",
    "key_y",
    "key_z",
]


def test_every_move_is_one_statement() -> None:
    """The table of moves and sql/transitions.sql list the same, in the same order."""
    assert statements.names("transitions.sql") == list(MOVES)


def test_every_move_says_what_a_crash_leaves_behind() -> None:
    """Each statement's comment has its word on crashes."""
    comments = re.findall(r"^-- name: (\w+)\n((?:--.*\n)+)", TRANSITIONS, re.MULTILINE)
    assert [name for name, text in comments if re.search(r"[Cc]rash:", text)] == list(MOVES)


def test_page_lists_every_move_as_it_is() -> None:
    """Name, maker and states of docs/states.md are those of the table of moves."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]*) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert rows == [
        (move.name, move.maker, " ".join(move.before) or "none", " ".join(move.after))
        for move in MOVES.values()
    ]


def test_moves_of_the_pipelines_row_are_under_the_same_rules() -> None:
    """One statement each with its word on crashes, and a line of docs/states.md with its maker."""
    assert statements.names("pipelines.sql") == list(GATE_MOVES)
    text = (ROOT / "sql" / "pipelines.sql").read_text()
    comments = re.findall(r"^-- name: (\w+)\n((?:--.*\n)+)", text, re.MULTILINE)
    assert [name for name, comment in comments if "Crash:" in comment] == list(GATE_MOVES)
    lines = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert [line for line in lines if line[0] in GATE_MOVES] == list(GATE_MOVES.items())


def test_picture_draws_every_change_of_state() -> None:
    """Each arrow of a move is in the picture under its name, and no other."""
    drawn = re.findall(r"^    (\w+|\[\*\]) --> (\w+): (.+)$", PICTURE, re.MULTILINE)
    arrows = {(start, end, name) for start, end, names in drawn for name in names.split(" · ")}
    assert arrows == {
        ("[*]" if not move.before else str(start), str(end), move.name)
        for move in MOVES.values()
        for start in move.before or (Status.PENDING,)
        for end in move.after
    }


def test_states_read_as_their_text() -> None:
    """What stands in the table is the enum's own text, in the order of a window's life."""
    assert [*map(str, Status)] == ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"]
    assert [*map(str, Phase)] == ["SOURCE_TO_STAGE", "STAGE_TO_TARGET", "AUDIT"]
    assert [*map(str, Result)] == ["loaded", "empty", "already_present", "skipped", "mismatch"]


def test_every_specified_column_is_there() -> None:
    """By name, whatever else the table has."""
    assert set(SPECIFIED) <= set(COLUMNS)


def test_statements_name_the_columns_of_a_record() -> None:
    """In the same order; both databases come back with the same row."""
    text = re.search(r"-- fragment: columns\n(.*?)\n\n", TRANSITIONS, re.DOTALL)
    assert text is not None
    assert tuple(re.findall(r"\w+", text[1])) == COLUMNS

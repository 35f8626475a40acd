"""Pipelines with one thing wrong: what they say, with which exit code, and that nothing else has happened."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.conftest import FIRST, Answer, Flights, write_day

CONFIG = """\
pipeline_id: mistaken
granularity: 1h
grid: fixed
start: 2013-03-09T05:00Z
end: 2013-03-09T06:00Z
retry_seconds: 0
backoff_seconds: 0
"""
ROWS = 6  # of the one window
FILES = {"type": "files", "path": "data/*.parquet", "time_field": "time_hour"}
LOCAL = {"type": "local", "path": "stage"}
DUCKDB = {"type": "duckdb", "path": "warehouse.duckdb", "table": "flights", "time_field": "time_hour"}
SECRET = "hunter-2"
FAILED = re.compile(r"\S+  pending  (.*)\n1 window: 0 done, 1 failed\n")


@dataclass(frozen=True)
class Mistake:
    """Keys of the connector that are wrong, and the sentence; `code` 2 where only a person can mend it.

    `checked`: whether `pipeline check` says the same beforehand; some things show only when rows move.
    """

    keys: dict[str, Any]
    said: str
    code: int = 2
    checked: bool = True


def pipeline(folder: Path, **parts: dict[str, Any]) -> Flights:
    """One window of six rows from a file through a folder into a file, but for the parts that are given."""
    write_day(folder / "data" / "0.parquet", FIRST, 1, 0)
    time = parts.get("source", FILES)["time_field"]
    chosen = {"source": FILES, "stage": LOCAL, "target": DUCKDB | {"time_field": time}} | parts
    lines = (f"{kind}: {json.dumps(keys)}\n" for kind, keys in chosen.items())
    (folder / "pipeline.yml").write_text(CONFIG + "".join(lines))
    return Flights(folder)


def require_told(mistaken: Flights, mistake: Mistake, **names: object) -> None:
    """The run ends with that very sentence and exit code, `check` says it too, and the window waits."""
    said = mistake.said.format(**names)
    answer = mistaken("run", "--window", "2013-03-09T05:00Z")
    assert (answer.code, sentence(answer)) == (mistake.code, said), answer.err
    if mistake.checked:
        checked = mistaken("check")
        bad = [line for line in checked.out.splitlines() if line.startswith("BAD")]
        assert (checked.code, [line.partition(": ")[2] for line in bad]) == (1, [said])
    window = mistaken("windows", "--format", "json").json[0]
    assert (window["pipeline_status"], window["audit_result"]) == ("PENDING", None)


def require_empty(moving: Flights) -> None:
    """The one window is done, and had no rows."""
    answer = moving("run", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json[0]["audit_result"] == "empty"


def require_moved_again(moving: Flights) -> None:
    """The one window is opened again, and moved."""
    assert moving("reopen", "--window", "1").code == 0
    answer = moving("run")
    assert answer.code == 0, answer.err


def nothing_loaded(moving: Flights) -> bool:
    """Whether the file of the target, if there is one, has no table."""
    return not (moving.folder / "warehouse.duckdb").exists() or moving.target("SHOW TABLES") == []


def sentence(answer: Answer) -> str:
    """The one sentence of a run that failed; no traceback, no secret."""
    everything = answer.out + answer.err
    assert "Traceback" not in everything
    assert SECRET not in everything
    found = FAILED.fullmatch(answer.err) or re.fullmatch(r"error: (.*)\n", answer.err)
    assert found, everything
    return found[1]

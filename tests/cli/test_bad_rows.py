"""Rows that do not fit, from the YAML to what a person sees of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Flights

CHANGES = """\
transforms:
- rename: {n: number}
- constants: {origin: api}
- filter: {number: {"<": 2100}}
- cast: {number: "decimal(4,1)"}
max_bad_rows: MOST
"""


@pytest.fixture
def changed(flights: Flights) -> Flights:
    """Flights whose numbers of 1000 and more do not fit into the target's type."""
    with (flights.folder / "pipeline.yml").open("a") as file:
        file.write(CHANGES)
    return flights


def test_a_window_with_more_bad_rows_than_tolerated_fails(changed: Flights) -> None:
    """Nothing of it is loaded; the message leads to the rows, which also `show` says."""
    changed.change("MOST", "5%")
    answer = changed("run", "--window", "2013-03-10")
    assert answer.code == 1
    assert "18 of 18 rows of window 2013-03-10T05:00:00Z" in answer.err
    assert (
        "0 may, the first because the column number does not fit decimal128(4, 1); see file://" in answer.err
    )
    told = " ".join(changed("show", "2013-03-10", "--format", "json").json["last_error"].split())
    path = told.partition("see file://")[2].partition(". Correct")[0].partition("/")[2]
    letters = [json.loads(line) for line in Path(f"/{path}").read_text().splitlines()]
    assert [json.loads(each["document"])["number"] for each in letters] == list(range(1000, 1018))
    assert {each["reason"] for each in letters} == {"the column number does not fit decimal128(4, 1)"}


def test_tolerated_rows_are_told_and_the_others_loaded(changed: Flights) -> None:
    """Each window says how many and where; the target holds exactly the rows that fit."""
    changed.change("MOST", "100%")
    answer = changed("run", "--until-caught-up")
    assert answer.code == 0, answer.err
    fitting = [number for number in changed.rows() if number < 1000]
    assert changed.target("SELECT number::int FROM flights ORDER BY 1") == fitting
    assert changed.target("SELECT DISTINCT origin FROM flights") == ["api"]
    assert "18 rows that do not fit were put aside" in answer.out
    windows = changed("windows", "--format", "json").json
    bad = sum(window["audit_detail"]["bad"] or 0 for window in windows)
    left_out = sum(window["audit_detail"]["filtered"] or 0 for window in windows)
    assert (bad, left_out) == (
        sum(1000 <= number < 2100 for number in changed.rows()),
        sum(number >= 2100 for number in changed.rows()),
    )
    assert "bad-00000.jsonl" in changed("show", "2013-03-10", COLUMNS="2000").out
    assert "bad" in changed("windows").out


def test_status_sums_the_rows_that_were_put_aside(changed: Flights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many of the newest windows as are looked at, with the way to them."""
    changed.change("MOST", "100%")
    assert "bad_rows │ 0 " in " ".join(changed("status").out.split())
    changed("run", "--until-caught-up")
    listed = changed("windows", "--bad", "--format", "json").json
    assert len(listed) == len([each for each in windows_of(changed) if each["audit_detail"]["bad"]])
    assert changed("status", "--format", "json").json["bad_rows"] == {
        "rows": sum(1000 <= number < 2100 for number in changed.rows()),
        "windows": len(listed),
        "newest": listed[-1]["window_start_time"],
        "since": "2013-03-09T05:00:00Z",
    }
    told = changed("status").out
    newest = told.partition("`pipeline show ")[2].partition("`")[0]
    assert "bad-00000.jsonl" in changed("show", newest, COLUMNS="2000").out
    monkeypatch.setattr("pipeline_framework.reports.status.LOOKED_AT", 1)
    last = windows_of(changed)[-1]["window_start_time"]
    assert changed("status", "--format", "json").json["bad_rows"]["since"] == last


def windows_of(pipeline: Flights) -> list[dict[str, Any]]:
    """Every window."""
    found: list[dict[str, Any]] = pipeline("windows", "--format", "json").json
    return found


def test_check_says_what_becomes_of_the_columns(changed: Flights) -> None:
    """And that the target's time is still among them."""
    changed.change("MOST", "0")
    assert "2 columns become time_hour, number, origin" in changed("check").out
    changed.change("rename: {n: number}", "rename: {n: number, time_hour: at}")
    answer = changed("check")
    assert answer.code == 1
    assert "`target.time_field`: time_hour is not among the columns" in answer.out + answer.err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "rename: {n: number}",
            "rename: {nn: number}",
            ["transforms[0]: There is no column nn", "the nearest is n"],
        ),
        (
            "rename: {n: number}",
            "renam: {n: number}",
            ["transforms[0].renam: There is no transform of type 'renam'", "'rename'"],
        ),
        ("constants: {origin: api}", "constants: {n: [1]}", ["transforms[1].constants.n", "Must be"]),
        ('"<": 2100', "less: 2100", ["transforms[2]: `filter.number`: there is no test 'less'"]),
        ("decimal(4,1)", "decimul(4,1)", ["transforms[3]: `cast.number`: there is no type decimul(4,1)"]),
    ],
)
def test_mistakes_are_told_with_their_line(changed: Flights, old: str, new: str, words: list[str]) -> None:
    """Names with the nearest one, before a row is moved."""
    changed.change("MOST", "0")
    changed.change(old, new)
    answer = changed("run", "--once")
    assert answer.code == 2, answer.err
    lines = (changed.folder / "pipeline.yml").read_text().splitlines()
    number = 1 + next(place for place, line in enumerate(lines) if new in line)
    told = " ".join(answer.err.split())
    assert f"pipeline.yml:{number}: " in told
    for word in words:
        assert word in told

"""Templates of keys and paths."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_framework.windows import render
from tests.unit.windows.clocks import examples

VALUES = {"window_start": datetime(2013, 3, 10, 5, tzinfo=UTC), "pipeline_id": "flights", "epoch": 7}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{window_start:%Y/%m/%d}", "2013/03/10"),
        ("{pipeline_id}/{window_start:%H%M}/epoch={epoch:04d}", "flights/0500/epoch=0007"),
        ("{{kept}} as it is", "{kept} as it is"),
        ("nothing to fill in", "nothing to fill in"),
        ("", ""),
    ],
)
def test_names_are_replaced_by_values(template: str, text: str) -> None:
    """Times by strftime, numbers by Python's formats, braces when doubled."""
    assert render(template, VALUES) == text


def test_times_of_pendulum_are_formatted_alike() -> None:
    """Records carry pendulum times; templates do not care."""
    values = {"window_start": pendulum.datetime(2013, 3, 10, 5)}
    assert render("{window_start:%Y/%m/%d %H}", values) == "2013/03/10 05"


@examples(100)
@given(st.text(st.characters(exclude_characters="{}")), st.text())
def test_other_text_and_values_pass_unchanged(around: str, value: str) -> None:
    """Whatever stands around a name, and whatever its value, braces in it included, comes out as it is."""
    assert render(around + "{key}" + around, {"key": value}) == around + value + around


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{window_strat:%Y}", "no value 'window_strat'; known are epoch, pipeline_id, window_start"),
        ("{}", "no value ''"),
        ("{0}", "no value '0'"),
        ("{pipeline_id.__class__}", "no value 'pipeline_id.__class__'"),
        ("{pipeline_id[0]}", "no value"),
        ("{pipeline_id!r}", "'!r' is not supported"),
        ("{pipeline_id:%Y}", "Invalid format"),
        ("{epoch:{pipeline_id}}", "Invalid format"),
        ("{pipeline_id", "expected '}'"),
        ("pipeline_id}", "Single '}'"),
    ],
)
def test_templates_that_cannot_be_filled_in_are_refused_in_a_sentence(template: str, complaint: str) -> None:
    """The message repeats the template and says what is wrong with it."""
    with pytest.raises(ValueError, match="cannot be filled in") as refused:
        render(template, VALUES)
    assert template in str(refused.value)
    assert complaint in str(refused.value)


def test_a_missing_value_has_no_format() -> None:
    """None is no time: asking for its year is an error of ours, in a sentence."""
    with pytest.raises(ValueError, match="cannot be filled in"):
        render("{window_end:%Y}", {"window_end": None})


def test_the_room_needs_the_standard_library_alone() -> None:
    """Importing windows is cheap for every DAG file: nothing installed comes along."""
    code = (
        "import sys; import pipeline_framework.windows;"
        "print(*{n.partition('.')[0] for n in sys.modules} - {*sys.stdlib_module_names, '__main__'})"
    )
    command, root = [sys.executable, "-S", "-c", code], Path(__file__).parents[3]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    found = {name for name in ran.stdout.split() if not name.startswith("_sysconfigdata")}
    assert found == {"pipeline_framework"}

"""Commands that prepare."""

import json
from pathlib import Path

import pytest

from pipeline_framework.cli.app import app
from tests.cli.conftest import Flights


def test_init_writes_a_pipeline_that_loads(flights: Flights) -> None:
    """The file it writes is valid, and it refuses to overwrite it."""
    answer = flights("init", "new", "--pipeline-id", "mine")
    assert answer.code == 0, answer.err
    assert "pipeline check" in answer.out
    (written,) = (flights.folder / "new").glob("*.yml")
    shown = flights("config", "show", "--config", str(written), "--format", "json")
    assert shown.json["pipeline_id"] == "mine"
    again = flights("init", "new", "--pipeline-id", "mine")
    assert again.code == 2


def test_migrate_twice_is_well(flights: Flights) -> None:
    """The second time it is up to date."""
    assert flights("migrate").code == 0
    assert "up to date" in flights("migrate").out
    assert "up to date" in flights("migrate", "--status").out


def test_migrate_status_lists_every_migration(flights: Flights) -> None:
    """Number, name, when it was applied, and what a missing one means; also as JSON."""
    before = flights("migrate", "--status", "--format", "json").json
    assert (before[0]["number"], before[0]["applied_at"], before[0]["state"]) == (1, None, "needed")
    assert "up to date" not in flights("migrate", "--status").out
    applied = flights("migrate", "--format", "json").json
    assert [row["name"] for row in applied] == [row["name"] for row in before]
    assert {row["state"] for row in applied} == {"applied"}
    assert flights("migrate", "--format", "json").json == []
    assert flights("migrate", "--status", "--format", "json").json == applied


def test_config_schema_is_json_schema(flights: Flights) -> None:
    """Editors complete keys from it."""
    schema = flights("config", "schema").json
    assert "granularity" in schema["properties"]


def test_config_show_hides_the_password(flights: Flights) -> None:
    """A password in the address is never shown."""
    flights.change("sqlite:///control.db", "postgresql://me:secret@localhost/control")
    for form in ("table", "json"):
        answer = flights("config", "show", "--format", form)
        assert answer.code == 0
        assert "secret" not in answer.out


def test_help_names_every_command_with_an_example(flights: Flights) -> None:
    """`pipeline COMMAND --help` shows an example for each."""
    names = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]
    assert {"init", "migrate", "check", "plan", "run", "task", "backfill", "status"} <= set(names)
    for command in app.registered_commands:
        assert "Example:" in (command.callback.__doc__ or ""), command.callback


@pytest.mark.parametrize(
    "words", [(), ("--help",), ("run", "--help"), ("locks", "--help"), ("config", "--help")]
)
def test_help_answers(flights: Flights, words: tuple[str, ...]) -> None:
    """Help is on standard output."""
    assert "pipeline" in flights(*words).out


def test_the_configuration_may_be_named_by_the_environment(flights: Flights, tmp_path: Path) -> None:
    """PIPELINE_CONFIG is read where --config is not given, and paths follow the file, not the folder."""
    answer = flights("status", "--format", "json", PIPELINE_CONFIG=str(flights.folder / "pipeline.yml"))
    assert json.loads(answer.out)["pipeline_id"] == "flights"

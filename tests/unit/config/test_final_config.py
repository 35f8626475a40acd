"""load_final_config: the contract of the pipeline file, and a sentence for everything that breaks it."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline_framework.config import FinalConfig, load_final_config, shown
from pipeline_framework.errors import Misuse
from pipeline_framework.windows import CalendarGrid, FixedGrid, Granularity, TimeBack

Load = Callable[..., FinalConfig]
Problems = Callable[..., list[str]]

CONTRACT = """\
pipeline_id: flights
timezone: America/New_York
granularity: 2h
x_time_back: 1d
start: 2013-01-01          # local time of `timezone` when no offset is given
end: 2014-01-01            # optional: no window past it
stale_threshold_hours: 2
lease_seconds: 90           # while a phase works; renewed
max_attempts: 3
control: {url: "sqlite:///control.db"}      # or postgresql://…, or {conn_id: …}
source: {type: files, path: "data/*.parquet", time_field: time_hour}
stage: {type: local, path: stage}
target: {type: duckdb, path: warehouse.duckdb, table: flights, time_field: time_hour}
"""
MODULE = "pipeline_id: a\ngranularity: 1h\nstart: 2024-01-01\nimplementation: my_pipeline\n"


def test_the_contract_loads_as_it_stands(load: Load, tmp_path: Path) -> None:
    """The file that outside checks rely on, with every value."""
    config = load(CONTRACT)
    assert (config.pipeline_id, config.granularity, config.x_time_back) == ("flights", "2h", "1d")
    assert (config.start, config.end) == (
        datetime(2013, 1, 1, 5, tzinfo=UTC),
        datetime(2014, 1, 1, 5, tzinfo=UTC),
    )
    assert (config.lease_seconds, config.stale_threshold_hours, config.max_attempts) == (90, 2, 3)
    assert config.source == {"type": "files", "path": "data/*.parquet", "time_field": "time_hour"}
    assert config.control_url == f"sqlite:///{tmp_path}/control.db"
    assert (config.file, config.folder, config.state_folder) == (
        tmp_path / "pipeline.yml",
        tmp_path,
        tmp_path,
    )


def test_words_become_times_and_grids(load: Load) -> None:
    """What generation asks for, as objects of the windows room."""
    config = load(CONTRACT)
    day = date(2013, 1, 1)
    assert config.window_grid == CalendarGrid(Granularity(2, "h"), config.zone, day, 0)
    assert config.time_back == TimeBack(1, "d")
    assert load(CONTRACT + "grid: fixed\nweek_start: Sunday\n").window_grid == FixedGrid(
        Granularity(2, "h"), 6
    )


def test_a_small_file_has_defaults(load: Load, tmp_path: Path) -> None:
    """Four keys are a pipeline; the rest is filled in."""
    config = load(MODULE)
    assert (config.timezone, config.x_time_back, config.grid, config.week_start) == (
        "UTC",
        "0s",
        "calendar",
        0,
    )
    assert (config.stale_threshold_hours, config.lease_seconds, config.max_attempts) == (2, 90, 3)
    assert (config.mapping_name, config.end, config.cron_schedule, config.email_list) == ("", None, None, ())
    assert config.control_url == f"sqlite:///{tmp_path}/control.db"


def test_names_of_source_and_target_follow_their_types(load: Load) -> None:
    """default_record is complete without being asked for; names that are given win."""
    assert load(CONTRACT).default_record == {
        "source_name": "files",
        "target_name": "duckdb",
        "pipeline_id": "flights",
    }
    assert load(MODULE).default_record["source_name"] == "my_pipeline"
    assert load(CONTRACT + "source_name: nyc\n").default_record["source_name"] == "nyc"


def test_functions_get_the_keys_that_they_were_promised(load: Load) -> None:
    """Plain values only, so that a module may store or send them."""
    config = load(MODULE + "email_list: a@b.c\n").for_functions()
    promised = (
        "timezone x_time_back granularity stale_threshold_hours cron_schedule email_list email_on_failure "
    )
    promised += "email_on_retry max_retry_task check_fields default_record"
    assert set(promised.split()) <= set(config)
    assert config["email_list"] == ["a@b.c"]
    assert yaml.safe_load(yaml.safe_dump(config)) == config


def test_a_configuration_is_frozen(load: Load) -> None:
    """Nobody changes it on the way."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(load(MODULE), "granularity", "1d")  # noqa: B010 - mypy would refuse the plain form


def test_what_is_shown_loads_to_the_same(load: Load) -> None:
    """`pipeline config show` prints a file that could be used."""
    config = load(
        CONTRACT + "transforms: [{type: rename, columns: {a: b}}]\nfunction_x: '{window_start:%Y}'\n"
    )
    again = load(yaml.safe_dump(shown(config)))
    assert again.model_dump() == config.model_dump()
    assert shown(again) == shown(config)


class TestPlaces:
    """Which file is read, and where its relative paths begin."""

    def test_the_environment_names_the_default_file(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """--config, then PIPELINE_CONFIG, then pipeline.yml of the working directory."""
        load(MODULE, "named.yml")
        load(MODULE, "pipeline.yml")
        monkeypatch.chdir(tmp_path)
        assert load_final_config().file.name == "pipeline.yml"
        monkeypatch.setenv("PIPELINE_CONFIG", str(tmp_path / "named.yml"))
        assert load_final_config().file.name == "named.yml"
        assert load_final_config("pipeline.yml").file == tmp_path / "pipeline.yml"

    def test_no_path_depends_on_the_working_directory(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same file named from two places is the same pipeline."""
        load(CONTRACT)
        monkeypatch.chdir(tmp_path)
        here = load_final_config("pipeline.yml")
        (tmp_path / "inner").mkdir()
        monkeypatch.chdir(tmp_path / "inner")
        there = load_final_config("../pipeline.yml")
        assert here.folder.samefile(there.folder)
        assert os.path.normpath(here.control_url) == os.path.normpath(there.control_url)

    def test_state_may_live_elsewhere(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is written goes there, inputs stay beside the file, and a relative one begins there too."""
        monkeypatch.setenv("PIPELINE_STATE_DIR", "/var/state")
        config = load(CONTRACT)
        assert (config.state_folder, config.folder) == (Path("/var/state"), tmp_path)
        assert config.control_url == "sqlite:////var/state/control.db"
        monkeypatch.setenv("PIPELINE_STATE_DIR", "state")
        assert load(CONTRACT).state_folder == tmp_path / "state"

    def test_nothing_is_kept_beside_a_file_that_is_taken_away(
        self, load: Load, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its control table needs an absolute path, of its own or of the state folder."""
        fleeting = load(CONTRACT).in_fleeting_folder()
        with pytest.raises(Misuse, match=r"pipeline\.yml:10: control\.url: A relative path lies beside"):
            _ = fleeting.control_url
        monkeypatch.setenv("PIPELINE_STATE_DIR", "state")
        assert load(CONTRACT).in_fleeting_folder().state_folder is None
        monkeypatch.setenv("PIPELINE_STATE_DIR", "/var/state")
        assert load(CONTRACT).in_fleeting_folder().control_url == "sqlite:////var/state/control.db"

    def test_an_absolute_database_stays_where_it_is(self, load: Load) -> None:
        """Four slashes are the root, as in SQLAlchemy."""
        config = load(MODULE + "control: {url: 'sqlite:////var/control.db?timeout=5'}\n")
        assert config.control_url == "sqlite:////var/control.db?timeout=5"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("granularty: 1h", "granularty: Unknown key. Did you mean 'granularity'?"),
        ("colour: red", "colour: Unknown key. Known: pipeline_id, mapping_name, timezone"),
        ("file: x", "file: Unknown key. "),
        ("timezone: America/NewYork", "timezone: There is no timezone 'America/NewYork'. Did you mean"),
        (
            "timezone: 5",
            "timezone: Must be text (put it in quotes). Write for example `timezone: America/New_York`.",
        ),
        (
            "x_time_back: 0",
            "x_time_back: Must be text (put it in quotes). Write for example `x_time_back: 1d`.",
        ),
        ("x_time_back: -1d", "x_time_back: The x_time_back -1d is negative"),
        ("grid: calender", "grid: Must be 'calendar' or 'fixed'."),
        (
            "week_start: moonday",
            "week_start: Must be a day of the week, or 0 (monday) to 6. Did you mean 'monday'?",
        ),
        ("week_start: 7", "week_start: Must be a day of the week"),
        ("week_start: 12", "week_start: Must be a day of the week"),
        ("week_start: yes", "week_start: Must be a day of the week"),
        ("end: 2023-12-31", "end: Must be after `start` (2024-01-01T00:00:00Z). Move it, or leave it out."),
        ("end: 2024-01-01", "end: Must be after `start`"),
        ("end: 2024-13-01", "end: '2024-13-01' is no date or time."),
        ("lease_seconds: 4", "lease_seconds: Must be 5 or more."),
        ("lease_seconds: soon", "lease_seconds: Must be a number."),
        ("lease_seconds: .nan", "lease_seconds: "),
        ("lease_seconds: .inf", "lease_seconds: "),
        ("stale_threshold_hours: 0", "stale_threshold_hours: Must be more than 0."),
        ("max_attempts: 0", "max_attempts: Must be 1 or more."),
        ("max_attempts: 1.5", "max_attempts: Must be a whole number."),
        ("max_attempts: yes", "max_attempts: Must be a number, not true."),
        ("max_attempts: 1e30", "max_attempts: "),
        ("max_retry_task: -1", "max_retry_task: Must be 0 or more."),
        ("mapping_name: a/b", "mapping_name: May hold only letters"),
        ("dag_id: a b", "dag_id: May hold only letters"),
        ("cron_schedule: often", "cron_schedule: 'often' is no cron schedule. Write five fields"),
        ("cron_schedule: '* * * *'", "cron_schedule: '* * * *' is no cron schedule."),
        ("email_list: [a@b.c, nobody]", "email_list[1]: 'nobody' is no email address."),
        ("email_list: {a: b}", "email_list: Must be a list."),
        ("email_on_failure: perhaps", "email_on_failure: Must be true or false."),
        ("check_fields: ['']", "check_fields[0]: "),
        ("function_x: '{window_strt}'", "function_x: The template '{window_strt}' cannot be filled in"),
        ("function_y: '{'", "function_y: The template '{' cannot be filled in"),
        ("function_z: '{target_day:%Y}{}'", "function_z: The template"),
        ("control: sqlite", "control: Must be a mapping of keys to values."),
        ("control: {ulr: x}", "control.ulr: Unknown key. Did you mean 'url'?"),
        (
            "control: {url: 'mysql://u:pw@h/d'}",
            "control.url: A control database of kind 'mysql' cannot be used.",
        ),
        ("control: {url: control.db}", "control.url: A control database without :// cannot be used."),
        ("control: {url: 'sqlite://'}", "control.url: A control database in memory forgets everything."),
        ("control: {url: 'postgresql://h:x/d'}", "control.url: Host or port cannot be read."),
        (
            "control: {url: 'sqlite:///a', conn_id: b}",
            "control.conn_id: Stands beside `url`. Remove one of them.",
        ),
        ("control: {auto_migrate: 3}", "control.auto_migrate: Must be true or false."),
        ("implementation: my pipeline", "implementation: 'my pipeline' is no module name."),
        ("transforms: {type: x}", "transforms: Must be a list."),
        ("transforms: [{tpye: x}]", "transforms[0]: Needs a `type`"),
        ("settings: 3", "settings: Must be a mapping of keys to values."),
        ("source: {type: files}", "source: Stands beside `implementation`, which moves the data itself."),
        ("max_attempts: ${NOT_SET}", "max_attempts: NOT_SET is not set in the environment. Export NOT_SET"),
    ],
)
def test_a_wrong_line_is_one_sentence(problems: Problems, line: str, expected: str) -> None:
    """File, line, key, what is wrong; nothing else is complained about."""
    base = "".join(f"{each}\n" for each in MODULE.splitlines() if not line.startswith(each.split(":")[0]))
    (told,) = problems(f"{base}{line}\n")
    number = len(base.splitlines()) + 1
    assert told.startswith(f"pipeline.yml:{number}: {expected}")


@pytest.mark.parametrize(
    ("granularity", "words"),
    [
        ("0h", "no length of time"),
        ("0", "Must be text"),
        ("-2h", "negative"),
        ("2x", "unknown unit 'x'"),
        ("2", "Must be text"),
        ("'2'", "a number and a unit"),
        ("99999999d", "longer than ten years"),
        ("", "Must be text"),
    ],
)
def test_a_granularity_that_cuts_nothing_is_refused(problems: Problems, granularity: str, words: str) -> None:
    """Zero, negative, without unit, too long."""
    (told,) = problems(MODULE.replace("1h", granularity))
    assert told.startswith("pipeline.yml:2: granularity: ")
    assert words in told


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".hidden", "-x", "a b", "ä", "a\\nb", "x" * 201, "", "a;b", "a'b"]
)
def test_an_id_that_cannot_be_in_a_path_is_refused(problems: Problems, name: str) -> None:
    """It goes into folders and DAG ids as it is."""
    (told,) = problems(MODULE.replace("pipeline_id: a", f'pipeline_id: "{name}"'))
    assert told.startswith("pipeline.yml:1: pipeline_id: May hold only letters")


def test_missing_keys_show_an_example(problems: Problems) -> None:
    """All of them at once, and which parts a pipeline has."""
    assert problems("timezone: UTC\n") == [
        "pipeline.yml: pipeline_id: Is missing. Write for example `pipeline_id: flights`.",
        "pipeline.yml: granularity: Is missing. Write for example `granularity: 2h`.",
        "pipeline.yml: start: Is missing. Write for example `start: 2013-01-01`.",
        *(
            f"pipeline.yml: {part}: Is missing. Name source, stage, target, each with a `type`, or an "
            "`implementation`."
            for part in ("source", "stage", "target")
        ),
    ]


def test_one_part_of_three_that_is_missing_is_named(problems: Problems) -> None:
    """Only that one."""
    without = "".join(line for line in CONTRACT.splitlines(keepends=True) if not line.startswith("stage:"))
    (told,) = problems(without)
    assert told.startswith("pipeline.yml: stage: Is missing.")


def test_an_implementation_excludes_each_part(problems: Problems) -> None:
    """One sentence for each, at its line."""
    told = problems(CONTRACT + "implementation: my_pipeline\n")
    assert [line.split(": ")[:2] for line in told] == [
        ["pipeline.yml:11", "source"],
        ["pipeline.yml:12", "stage"],
        ["pipeline.yml:13", "target"],
    ]


def test_settings_need_somebody_to_read_them(problems: Problems) -> None:
    """Without an implementation they would be ignored in silence."""
    (told,) = problems(CONTRACT + "settings: {bucket: b}\n")
    assert "settings: Is read by the functions of an `implementation`" in told


def test_all_mistakes_are_reported_together(problems: Problems) -> None:
    """Duplicates, unset variables, unknown keys and wrong values in one go, in the order of the file."""
    text = "granularity: 0h\nx: 1\npipeline_id: ${NOT_SET}\nstart: 2024-01-01\nstart: x\nimplementation: m\n"
    keys = [line.split(": ")[:2] for line in problems(text)]
    expected = [("1", "granularity"), ("2", "x"), ("3", "pipeline_id"), ("4", "start")]
    assert keys == [[f"pipeline.yml:{line}", key] for line, key in expected]


def test_an_error_says_the_variable_not_its_value(
    problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password in the wrong place is not printed."""
    monkeypatch.setenv("PASSWORD", "hunter22")
    for line in (
        "granularity: ${PASSWORD}",
        "timezone: ${PASSWORD}",
        "email_list: ${PASSWORD}",
        "${PASSWORD}: 1",
    ):
        told = "\n".join(problems(MODULE.replace("granularity: 1h", line)))
        assert "hunter22" not in told


def test_values_from_variables_are_checked_like_others(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text of the environment becomes numbers and booleans where the key asks for them."""
    monkeypatch.setenv("LEASE", "30")
    config = load(MODULE + "lease_seconds: ${LEASE}\nemail_on_retry: ${MAIL:-yes}\nmax_attempts: ${N:-7}\n")
    assert (config.lease_seconds, config.email_on_retry, config.max_attempts) == (30, True, 7)


@pytest.mark.parametrize(
    "value", ["'{window_start:%Y/%m/%d}/{pipeline_id}'", "package.module:function", "constant", "~"]
)
def test_key_functions_are_templates_or_functions(load: Load, value: str) -> None:
    """Both load without importing anything."""
    assert load(MODULE + f"function_x: {value}\n").function_x == yaml.safe_load(value)


class TestCommandLine:
    """Times that people type."""

    def test_an_option_is_local_time(self, load: Load) -> None:
        """Of the pipeline's timezone, unless it has an offset."""
        config = load(CONTRACT)
        assert config.instant("2013-03-10") == datetime(2013, 3, 10, 5, tzinfo=UTC)
        assert config.instant("2013-03-10T00:00Z") == datetime(2013, 3, 10, tzinfo=UTC)

    def test_a_bad_time_names_the_option(self, load: Load) -> None:
        """And shows how to write it."""
        with pytest.raises(Misuse, match=r"^--now: 'noon' is no date or time\. Write 2013-01-31"):
            load(CONTRACT).instant("noon", "--now")


def test_an_error_about_a_key_has_its_place(load: Load, tmp_path: Path) -> None:
    """Upper rooms tell their mistakes with the same file and line."""
    error = load(CONTRACT).misuse(("target", "table"), "There is no such schema.")
    assert str(error) == f"{tmp_path}/pipeline.yml:13: target.table: There is no such schema."


def test_a_template_may_name_what_generation_gives(load: Load) -> None:
    """Each known name is accepted, with formats of its type."""
    names: dict[str, Any] = {"window_start": "%H", "window_end": "%H", "target_day": "%Y"}
    plain = ("pipeline_id", "mapping_name", "source_name", "target_name", "time_interval")
    template = "".join(f"{{{name}:{layout}}}" for name, layout in names.items())
    template += "".join(f"{{{name}}}" for name in plain)
    assert load(MODULE + f"function_x: '{template}'\n").function_x == template


@pytest.mark.parametrize(
    ("written", "rows", "tolerated"),
    [("0", 1000, 0), ("12", 5, 12), ("1%", 1000, 10), ("0.1%", 1999, 1), ("100%", 7, 7), ("0%", 7, 0)],
)
def test_bad_rows_are_tolerated_by_number_or_part(
    load: Load, written: str, rows: int, tolerated: int
) -> None:
    """A part is never rounded up."""
    assert load(f"{MODULE}max_bad_rows: {written}\n").tolerated(rows) == tolerated


@pytest.mark.parametrize("written", ["-1", "1.5", "101%", "many", "yes", "-1%", "[1]"])
def test_a_tolerance_that_is_none_is_refused(problems: Problems, written: str) -> None:
    """One sentence with both forms."""
    (problem,) = problems(f"{MODULE}max_bad_rows: {written}\n")
    assert "max_bad_rows" in problem
    assert "Write 0, 100 or 0.5%." in problem

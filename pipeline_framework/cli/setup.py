"""Commands that prepare: init, migrate, check, config."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline_framework.cli import output
from pipeline_framework.cli.options import ConfigOption, Format, FormatOption, loaded

MIGRATION = ("number", "name", "applied_at", "state")

config_app = typer.Typer(
    help="The configuration as it is read, and the schema of its keys.", no_args_is_help=True
)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path(),
    source: Annotated[str, typer.Option(help="A source that is installed.")] = "files",
    stage: Annotated[str, typer.Option(help="A stage that is installed.")] = "local",
    target: Annotated[str, typer.Option(help="A target that is installed.")] = "duckdb",
    pipeline_id: Annotated[str, typer.Option(help="Name of the pipeline.")] = "my_pipeline",
) -> None:
    """Write a commented pipeline file and a DAG file.

    Example: pipeline init flights --source files --stage local --target duckdb
    """
    from pipeline_framework.operations.scaffold import scaffold

    written = scaffold(folder, pipeline_id=pipeline_id, source=source, stage=stage, target=target)
    for path in written:
        output.say(f"wrote {path}")
    output.say("next: edit the keys of source, stage and target, then")
    for step in written.next_steps:
        output.say(f"  {step}")


def migrate(
    config: ConfigOption = None,
    status: Annotated[
        bool, typer.Option("--status", help="Only list every migration and its state.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Bring the control database up to date; safe to run twice, from several places and while runs go on.

    --status tells of each: applied; needed: missing, and this release does not run without it; due: missing,
    and this release runs all the same; newer: of a later release. Example: pipeline migrate --status
    """
    from dataclasses import asdict

    from pipeline_framework.control_table import Database, migrations

    with Database(loaded(config).control_url) as database:
        applied = [] if status else migrations.migrate(database)
        known = migrations.status(database)
        rows = [asdict(migration) for migration in known if status or migration.name in applied]
        if rows or form is not Format.TABLE:
            output.print_rows(rows, form, MIGRATION)
        if form is Format.TABLE and not migrations.pending(database):
            output.say(f"{database.safe_url} is up to date")


def check(config: ConfigOption = None, form: FormatOption = Format.TABLE) -> None:
    """Ask every part whether a run would work; one line each, with the remedy.

    Exit code 1 when one would not. Example: pipeline check
    """
    from dataclasses import asdict

    from pipeline_framework.operations.check import check as ask

    findings = []
    for finding in ask(loaded(config)):
        findings.append(finding)
        if form is Format.TABLE:
            output.say(str(finding))
    if form is not Format.TABLE:
        output.print_rows([asdict(finding) for finding in findings], form, ())
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the pipeline file, for editors.

    Example: pipeline config schema > pipeline.schema.json
    """
    from pipeline_framework.config import json_schema

    output.print_json(json_schema())


@config_app.command("show")
def config_show(config: ConfigOption = None, form: FormatOption = Format.TABLE) -> None:
    """Print the configuration as it is used, secrets hidden.

    Example: pipeline config show --format json
    """
    import yaml

    from pipeline_framework.config import shown

    values = shown(loaded(config))
    if form is Format.TABLE:
        yaml.safe_dump(values, sys.stdout, sort_keys=False, allow_unicode=True)
    else:
        output.print_object(values, form)


def add_to(app: typer.Typer) -> None:
    """Put these commands into the command line."""
    for command in (init, migrate, check):
        app.command(rich_help_panel="Set up")(command)
    app.add_typer(config_app, name="config", rich_help_panel="Set up")

"""Commands by which a person holds a whole pipeline back: pause, resume."""

import typer

from pipeline_framework.cli import output
from pipeline_framework.cli.options import ConfigOption, ReasonOption, opened, person, require_reason


def pause(reason: ReasonOption = "paused by hand", config: ConfigOption = None) -> None:
    """Start no window until `pipeline resume`; those that run go on to their end, new ones are still added.

    Example: pipeline pause --reason "the warehouse moves tonight"
    """
    from pipeline_framework.operations import gates

    require_reason(reason)
    with opened(config) as pipeline:
        paused = gates.pause(pipeline, actor=person(), reason=reason)
        output.say(f"{pipeline.config.pipeline_id} is {paused.explanation}")


def resume(config: ConfigOption = None) -> None:
    """Start windows again after a pause.

    Example: pipeline resume
    """
    from pipeline_framework.operations import gates

    with opened(config) as pipeline:
        before = gates.resume(pipeline)
        since = f"{before.paused_at:%Y-%m-%dT%H:%M:%SZ}"
        was = f"it was paused by {before.paused_by} since {since} because {before.pause_reason}"
        output.say(f"{pipeline.config.pipeline_id} goes on; {was}.")


def add_to(app: typer.Typer) -> None:
    """Put these commands into the command line."""
    for command in (pause, resume):
        app.command(rich_help_panel="Repair")(command)

"""The command `pipeline`, its exit codes and its errors.

Commands import what they need when they run, so that `pipeline --help` answers at once.
"""

import os
import signal
import sys
from typing import NoReturn

import typer

from pipeline_framework.cli import gates, output, questions, repairs, run, setup, status
from pipeline_framework.errors import Misuse, NothingToDo, PipelineError

FAILED, MISUSED, NOTHING_TO_DO, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143

app = typer.Typer(
    name="pipeline",
    help="Windowed batch pipelines: nothing lost, nothing doubled, every hole found.",
    epilog="Exit codes: 0 done, 1 failed, 2 misuse, 3 nothing to do, 130 or 143 stopped (Ctrl-C, SIGTERM). "
    "Start with: pipeline init",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for room in (setup, run, status, questions, repairs, gates):
    room.add_to(app)


def main() -> NoReturn:
    """Entry point: every error is one clear message and an exit code, never a traceback."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # puts a running window back
    try:
        app()
    except NothingToDo as reason:
        leave(str(reason), NOTHING_TO_DO)
    except Misuse as error:
        leave(f"error: {error}", MISUSED)
    except PipelineError as error:
        leave(f"error: {error}", FAILED)
    except SystemExit as stop:
        if stop.code in (INTERRUPTED, TERMINATED):
            output.complain("interrupted: what was running was put back, nothing is lost")
            leave_slots(stop.code)
        raise
    except Exception as error:
        if os.environ.get("PIPELINE_DEBUG"):
            raise
        leave(unexpected(error), FAILED)
    sys.exit(0)


def leave_slots(code: int) -> None:
    """End at once where slots still work: their windows are put back, and nobody waits for what they do."""
    from pipeline_framework.operations.slots import still_at_work

    if still_at_work():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def unexpected(error: Exception) -> str:
    """What is said of an error that should have had a sentence of its own."""
    return (
        f"error: {type(error).__name__}: {error}. This is a fault of the program; "
        "PIPELINE_DEBUG=1 shows where, and the control table keeps the window for the next run."
    )


def leave(message: str, code: int) -> NoReturn:
    """Say it on standard error and exit."""
    output.complain(message)
    sys.exit(code)

"""Pause a pipeline, and let it go on."""

from pipeline_framework.control_table import gates
from pipeline_framework.control_table.gates import Gates
from pipeline_framework.errors import NothingToDo
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.windows import GridHistory


def pause(pipeline: Pipeline, *, actor: str, reason: str) -> Gates:
    """Start no window from now on; those that run go on to their end, and new ones are still added.

    Raises `NothingToDo` naming who paused it before.
    """
    grid = GridHistory(((None, pipeline.config.window_grid),))
    made = gates.pause(pipeline.database, pipeline.key, grid, actor=actor, reason=reason)
    if made is None:
        there = gates.gates(pipeline.database, pipeline.key)
        raise NothingToDo(f"{pipeline.config.pipeline_id} is {there.explanation}")
    return made


def resume(pipeline: Pipeline) -> Gates:
    """Start windows again; how the gates stood before. Raises `NothingToDo` when nobody had paused."""
    before = gates.gates(pipeline.database, pipeline.key)
    if not gates.resume(pipeline.database, pipeline.key):
        raise NothingToDo(f"{pipeline.config.pipeline_id} is not paused; `pipeline status` tells how it is.")
    return before


def close_circuit(pipeline: Pipeline) -> bool:
    """Do not wait for the circuit any longer; False when no failure was noted."""
    return gates.close_circuit(pipeline.database, pipeline.key)

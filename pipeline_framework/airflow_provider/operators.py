"""The operators of a pipeline's tasks: each calls one function.

Operators of our own, as a decorated function is four of Airflow's inside each other: twice as long to make,
for every DAG of a folder and again in every task (benchmarks/dag_parse.py).
"""

from collections.abc import Callable
from functools import cache
from inspect import getdoc
from typing import Any

from airflow.sdk import BaseOperator

described = cache(getdoc)  # the same functions in every DAG of a folder


class PipelineTask(BaseOperator):
    """A task that calls `work` with what is `given`; its answer becomes the task's XCom."""

    def __init__(self, *, work: Callable[..., Any], given: tuple[Any, ...], **settings: Any) -> None:
        super().__init__(doc_md=described(work), **settings)
        self.work, self.given = work, given

    def execute(self, context: Any) -> Any:
        """Do the work."""
        return self.work(*self.given)


class WindowTask(PipelineTask):
    """The same with the window that an earlier task `held`, which comes last: the XCom of that task."""

    template_fields = ("held",)

    def __init__(self, *, held: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.held = held

    def execute(self, context: Any) -> Any:
        """Do the work on the window."""
        return self.work(*self.given, self.held)

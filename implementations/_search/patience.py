"""Requests to a server that is busy, or does not answer for a moment: asked again, after a while."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from implementations._search.server import Busy, Cluster, Server

PATIENCE = 120.0  # seconds for which one request is repeated


def again(before_sleep: Callable[[RetryCallState], None] | None = None) -> Retrying:
    """A loop for `Busy` alone; the last error is raised as it is."""
    return Retrying(
        retry=retry_if_exception_type(Busy),
        wait=wait_random_exponential(multiplier=0.5, max=30),
        stop=stop_after_delay(PATIENCE),
        before_sleep=before_sleep,
        reraise=True,
    )


@dataclass(frozen=True, slots=True)
class Patient:
    """A cluster whose every request is repeated so; whoever asks must not mind being heard twice."""

    cluster: Cluster

    @property
    def server(self) -> Server:
        return self.cluster.server

    @property
    def order(self) -> list[str]:
        return self.cluster.order

    @property
    def slice_rows(self) -> int | None:
        return self.cluster.slice_rows

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        return again()(self.cluster.ask, method, path, body, **parameters)

    def remember(self, index: str, keep_alive: str) -> str:
        point: str = again()(self.cluster.remember, index, keep_alive)
        return point

    def forget(self, point: str) -> None:
        # Once: the server lets go of it by itself, after a while.
        self.cluster.forget(point)

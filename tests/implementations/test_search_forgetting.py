"""A point in time that a target cannot let go of is left to the server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import WINDOW, lock_for, truth
from tests.implementations.test_elasticsearch_target import made
from tests.services.go_between import Answered, Asked, go_between

pytestmark = pytest.mark.services


def test_a_load_does_not_wait_for_a_server_to_forget(
    elasticsearch_server: str, fresh_index: Callable[[], str], tmp_path: Path
) -> None:
    """Refused for the moment, it is not asked again, and the window is loaded."""
    busy = Answered(503, b'{"error": {"type": "unavailable_shards_exception", "reason": "busy"}}')
    with go_between(elasticsearch_server) as between:

        def refuses(asked: Asked) -> Asked | Answered:
            return busy if asked.method == "DELETE" and asked.path == "/_pit" else asked

        between.before = refuses
        target = made(between.url, fresh_index)
        target.load(lock_for(), staged_in(tmp_path / "more", truth(rows=5).select(["happened_at", "text"])))
        fewer = staged_in(tmp_path / "fewer", truth(rows=2).select(["happened_at", "text"]))
        assert target.load(lock_for(epoch=2), fewer).rows == target.count(WINDOW) == 2
        forgotten = [asked for asked in between.asked if asked.method == "DELETE"]
    assert len(forgotten) == 1

"""A target lets go of its points in time, once, whatever else goes wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

from implementations.elasticsearch.target import ElasticsearchTarget
from pipeline_framework.errors import Fenced
from pipeline_framework.testing.target_contract import Put
from pipeline_framework.testing.truth import WINDOW, lock_for
from tests.implementations.search_targets import made, rows
from tests.services.go_between import Answered, Asked, GoBetween

pytestmark = pytest.mark.services


@pytest.fixture
def target(fresh_index: Callable[[], str], between: GoBetween) -> ElasticsearchTarget:
    """Reached by way of the go-between."""
    return made(between.url, fresh_index)


def test_a_load_does_not_wait_for_a_server_to_forget(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """Refused for the moment, it is not asked again, and the window is loaded."""
    busy = Answered(503, b'{"error": {"type": "unavailable_shards_exception", "reason": "busy"}}')

    def refuses(asked: Asked) -> Asked | Answered:
        return busy if asked.method == "DELETE" and asked.path == "/_pit" else asked

    between.before = refuses
    target.load(lock_for(), put(rows(n=range(5))))
    assert target.load(lock_for(epoch=2), put(rows(n=range(2)))).rows == target.count(WINDOW) == 2
    forgotten = [asked for asked in between.asked if asked.method == "DELETE"]
    assert len(forgotten) == 1


def test_a_load_that_is_overtaken_leaves_no_point_in_time(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """It stops before it deletes anything, and leaves nothing open for as long as its error is remembered."""
    target.load(lock_for(), put(rows(n=range(5))))
    newer = replace(target, url=SecretStr(between.server))

    def overtaken(asked: Asked) -> Asked:
        if asked.path.startswith("/_search?"):
            newer.load(lock_for(epoch=3), put(rows(n=range(4))))
        return asked

    between.before = overtaken
    with pytest.raises(Fenced) as remembered:
        target.load(lock_for(epoch=2), put(rows(n=range(2))))
    assert between.asked[-1].method == "DELETE", remembered
    assert newer.count(WINDOW) == 4


def test_a_load_goes_by_the_newest_name_of_its_point_in_time(
    target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """The server may give another with every page of what is to be deleted; the newest is let go of."""
    names = list[str]()

    def renamed(asked: Asked, answer: Answered) -> Answered:
        if not asked.path.startswith("/_search?"):
            return answer
        names.append(asked.json["pit"]["id"] if not names else f"name {len(names)}")
        return answer.told(pit_id=f"name {len(names)}")

    def translated(asked: Asked) -> Asked:
        newest = f'"name {len(names)}"'.encode()
        return replace(asked, body=asked.body.replace(newest, f'"{names[0]}"'.encode())) if names else asked

    target.load(lock_for(), put(rows(n=range(5))))
    between.before, between.after = translated, renamed
    assert target.load(lock_for(epoch=2), put(rows(n=range(2)))).rows == target.count(WINDOW) == 2
    let_go = [asked.json["id"] for asked in between.asked if asked.method == "DELETE"]
    assert [page["pit"]["id"] for page in between.searches()] == names
    assert let_go == [f"name {len(names)}"] == ["name 2"]

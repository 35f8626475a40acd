"""`_search/replacing.py`: what a load counts afterwards, and says where somebody else wrote meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import httpx
import pytest

from implementations.elasticsearch.target import ElasticsearchTarget
from implementations.loading.write_modes import Write
from pipeline_framework.errors import Fenced, Misuse, Unavailable
from pipeline_framework.testing.target_contract import Put
from pipeline_framework.testing.truth import AFTER, TIME_FIELD, WINDOW, lock_for
from tests.implementations.search_targets import made, rows, through
from tests.services.go_between import Asked, GoBetween

pytestmark = pytest.mark.services


@pytest.fixture
def target(elasticsearch_server: str, fresh_index: Callable[[], str]) -> ElasticsearchTarget:
    """Of an index that is not there yet."""
    return made(elasticsearch_server, fresh_index)


@pytest.fixture
def watched(target: ElasticsearchTarget, between: GoBetween) -> ElasticsearchTarget:
    """The same target, through it."""
    return through(between, target)


def before_each_count(between: GoBetween, happens: Callable[[int], object]) -> None:
    """Let something happen before documents are counted for the first, second, … time."""
    times = count(1)

    def interfere(asked: Asked) -> Asked:
        if asked.path.endswith("/_msearch"):
            happens(next(times))
        return asked

    between.before = interfere


def foreign(target: ElasticsearchTarget) -> None:
    """A document of the window that no pipeline wrote."""
    url = f"{target.url.get_secret_value()}/{target.index}/_doc?refresh=true"
    httpx.post(url, json={TIME_FIELD: WINDOW.start.isoformat(), "n": 99}).raise_for_status()


def test_where_nothing_is_left_over_nothing_is_looked_through(
    watched: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """A first load opens no point in time: the count says that there is nothing to delete."""
    watched.load(lock_for(), put(rows(n=[1, 2, 3])))
    assert not [asked for asked in between.asked if "_pit" in asked.path]
    watched.load(lock_for(epoch=2), put(rows(n=[4])))
    assert [asked for asked in between.asked if "_pit" in asked.path]
    assert watched.count(WINDOW) == 1


def test_who_writes_beside_a_load_makes_it_load_again(
    watched: ElasticsearchTarget, target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """What came before the last look is deleted; after it, no load is told of until one is alone."""
    before_each_count(between, lambda _: foreign(target))
    with pytest.raises(Unavailable, match=r"has 3 documents where 2 were loaded.*somebody else writes there"):
        watched.load(lock_for(), put(rows(n=[1, 2])))
    assert target.loaded(lock_for()) is None
    assert target.load(lock_for(), put(rows(n=[1, 2]))).rows == target.count(WINDOW) == 2


def test_overwriting_deletes_no_documents_of_who_came_since(
    watched: ElasticsearchTarget, target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """Another pipeline's first window, loaded after this one was held, is named, and keeps its documents."""
    theirs = put(rows(AFTER, n=[7, 8]))
    other = lock_for(AFTER, mapping_name="other")
    before_each_count(between, lambda time: target.load(other, theirs) if time == 1 else None)
    with pytest.raises(Misuse, match="contract other"):
        replace(watched, write=Write("overwrite")).load(lock_for(), put(rows(n=[1, 2])))
    assert target.count(AFTER) == 2


def test_whose_rows_were_taken_by_a_newer_epoch_is_fenced(
    watched: ElasticsearchTarget, target: ElasticsearchTarget, between: GoBetween, put: Put
) -> None:
    """Not told that somebody else writes there, as loading again would not help."""
    newer = put(rows(n=[7]))

    def overtaken(time: int) -> None:
        if time == 2:
            target.load(lock_for(epoch=2, owner="newer"), newer)

    before_each_count(between, overtaken)
    with pytest.raises(Fenced, match="newer"):
        watched.load(lock_for(), put(rows(n=[1, 2])))
    assert target.count(WINDOW) == 1

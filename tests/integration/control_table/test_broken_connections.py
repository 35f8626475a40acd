"""Connections that break: in the COMMIT of every move, and at any message of a window. On PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from secrets import token_hex
from typing import Any

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, claims, events, progress
from pipeline_framework.control_table.database import InDoubt
from pipeline_framework.control_table.database.values import python_row
from pipeline_framework.control_table.states import MOVES, Phase, Result, Status
from pipeline_framework.errors import Misuse
from pipeline_framework.retries import patiently
from tests.integration.control_table.acts import ACTS
from tests.integration.control_table.comparison import seen
from tests.integration.control_table.proxy import Proxy, proxied
from tests.integration.control_table.stories import LATER, add_hours, run
from tests.services.control import by_hand

pytestmark = pytest.mark.services

# What a maker is not told makes no difference when it asks again; all others recognise their move themselves.
TOLD = {
    *("add_windows", "adopt_temporary", "renew", "rescue", "release_run", "release_slot", "interrupt_run"),
    *("reopen", "force_reopen", "retry", "skip", "quarantine", "regrid", "clear_lock", "clear_stale_lock"),
}
ALONE = {"claim_held_back", "claim_in_order", "claim_window"}  # of one window that may be taken


@pytest.fixture
def lossy(postgres_control_url: str) -> Iterator[tuple[Proxy, Database]]:
    """A database behind a proxy that breaks connections when told to."""
    with proxied(postgres_control_url) as (proxy, url), Database(url) as database:
        yield proxy, database


def outcome(database: Database, key: PipelineKey) -> list[dict[str, Any]]:
    """The pipeline's windows as they stand, without epochs and the ids of ranges."""
    sql = "SELECT * FROM pipeline_records WHERE pipeline_id = :id ORDER BY window_start_time"
    rows = [python_row(row.items()) for row in by_hand(database, sql, id=key.pipeline_id)]
    now = database.now()
    epochs: dict[str, Any] = {"epoch": 0, "stage_epoch": 0}
    told = [seen(Record.of(row), now) | epochs for row in rows]
    return [{**row, "range": row["range"] is not None} for row in told]


def test_every_move_has_its_act() -> None:
    """A new move is tried here as well."""
    assert ACTS.keys() == MOVES.keys()
    assert ACTS.keys() > TOLD


def twice(database: Database, key: PipelineKey, move: str) -> tuple[Callable[[], object], PipelineKey]:
    """The act, and a pipeline in which it was made in peace."""
    told = PipelineKey(key.pipeline_id + "_told")
    ACTS[move](database, told)()
    return ACTS[move](database, key), told


@pytest.mark.parametrize("move", ACTS)
def test_lost_reply_to_commit_changes_no_outcome(
    lossy: tuple[Proxy, Database], key: PipelineKey, move: str
) -> None:
    """Windows, attempts, markers and locks are as if the reply had come, also when the maker asks again."""
    proxy, database = lossy
    act, told = twice(database, key, move)
    proxy.cut_commits = 1
    if move in TOLD:
        with pytest.raises(InDoubt, match="whether the move was made is unknown"):
            act()
        with suppress(Misuse):  # a lock that was cleared cannot be cleared again
            act()
    else:
        act()
    assert proxy.cuts == 1
    assert outcome(database, key) == outcome(database, told)


@pytest.mark.parametrize("move", sorted(ACTS.keys() - TOLD - ALONE))
def test_commit_that_comes_late_changes_no_outcome(
    lossy: tuple[Proxy, Database], key: PipelineKey, move: str
) -> None:
    """The server may make the move only after the maker has looked whether it was made."""
    proxy, database = lossy
    act, told = twice(database, key, move)
    proxy.cut_commits, proxy.late = 1, 0.4
    act()
    assert proxy.cuts == 1
    assert outcome(database, key) == outcome(database, told)


@pytest.mark.parametrize("move", sorted(ALONE))
def test_claim_that_comes_late_is_waited_for(
    lossy: tuple[Proxy, Database], key: PipelineKey, move: str
) -> None:
    """The row is locked by the claim itself, which the server has yet to end."""
    assert claimed_late(lossy, key, move, 0.4) is not None


@pytest.mark.parametrize("move", sorted(ALONE))
def test_claim_that_comes_late_and_was_passed_over_is_the_runs_all_the_same(
    lossy: tuple[Proxy, Database], key: PipelineKey, move: str
) -> None:
    """Asked too early, the run is told that there is nothing; its next try takes the window up."""
    assert claimed_late(lossy, key, move, 3) is None
    deadline = time.monotonic() + 10
    while (record := claims.resume(lossy[1], key, run(), lease_seconds=60)) is None:
        assert time.monotonic() < deadline
    assert record.pipeline_status is Status.IN_PROGRESS


def claimed_late(lossy: tuple[Proxy, Database], key: PipelineKey, move: str, seconds: float) -> object:
    """What a claim answers whose reply is lost, and which the server ends so much later."""
    proxy, database = lossy
    act, _ = twice(database, key, move)
    proxy.cut_commits, proxy.late = 1, seconds
    return act()


def go_all_the_way(database: Database, key: PipelineKey) -> Record:
    """A window from its claim to its end, by a run whose task is tried again while the database is away."""

    def held() -> Record:
        record = claims.resume(database, key, run(), lease_seconds=60)
        record = record or claims.claim_oldest(database, key, run(), watermark=LATER, lease_seconds=60)
        assert record is not None
        return record

    lock = patiently(20, 1)(held).lock()
    for phase in (Phase.SOURCE_TO_STAGE, Phase.STAGE_TO_TARGET):
        progress.begin(database, lock, phase, lease_seconds=60)
        facts = {"stage_epoch": lock.epoch} if phase is Phase.SOURCE_TO_STAGE else {}
        progress.finish(database, lock, phase, park_seconds=60, **facts)
    progress.begin(database, lock, Phase.AUDIT, lease_seconds=60)
    return progress.complete(database, lock, Result.LOADED)


@pytest.mark.parametrize("delivered", [False, True])
def test_connection_that_breaks_at_any_message_changes_no_outcome(
    lossy: tuple[Proxy, Database], delivered: bool
) -> None:
    """Before the server has the message, or after it: the window is done once, and no attempt is counted."""
    proxy, database = lossy
    for message in count(1):
        key = PipelineKey(f"broken_{token_hex(6)}")
        add_hours(database, key, 1)
        proxy.cut_after(message, delivered=delivered)
        done = go_all_the_way(database, key)
        if proxy.cut_at:  # the way has no more messages
            assert message > 8 * len(("BEGIN", "the statement", "COMMIT"))
            return
        assert (done.pipeline_status, done.retry_attempt) == (Status.COMPLETED, 0), message
        moves = [event["move_name"] for event in events.history(database, done.id)]
        assert moves.count("complete") == moves.count("claim_oldest") == 1, (message, moves)

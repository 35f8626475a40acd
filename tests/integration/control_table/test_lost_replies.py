"""The reply to COMMIT gets lost: the move was made, and has to be recognised as made. On PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipeline_framework.control_table import (
    Database,
    PipelineKey,
    Record,
    claims,
    decisions,
    events,
    progress,
)
from pipeline_framework.control_table.database import InDoubt
from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.errors import LockLost, Unavailable
from tests.integration.control_table.proxy import Proxy, proxied
from tests.integration.control_table.stories import (
    FIRST,
    LATER,
    LEASE,
    add_hours,
    claim,
    hour,
    loaded,
    read,
    run,
)

pytestmark = pytest.mark.services


@pytest.fixture
def lossy(postgres_control_url: str) -> Iterator[tuple[Proxy, Database]]:
    """A database behind a proxy that loses replies when told to."""
    with proxied(postgres_control_url) as (proxy, url), Database(url) as database:
        yield proxy, database


def moves(database: Database, record_id: int) -> list[str]:
    return [event["move_name"] for event in events.history(database, record_id)]


def test_claim_whose_reply_was_lost_is_taken_up(lossy: tuple[Proxy, Database], key: PipelineKey) -> None:
    """The window is the run's: it is not orphaned, and no second one is taken."""
    proxy, database = lossy
    add_hours(database, key, 2)
    proxy.cut_commits = 1
    record = claim(database, key)
    assert proxy.cuts == 1
    assert record.window == hour(0)
    assert moves(database, record.id) == ["claim_oldest", "resume"]
    assert read(database, record.id) == record


def test_claim_that_found_nothing_is_made_again(lossy: tuple[Proxy, Database], key: PipelineKey) -> None:
    """A lost reply to a claim of nothing is no window."""
    proxy, database = lossy
    database.now()
    proxy.cut_commits = 1
    assert claims.claim_oldest(database, key, run(), watermark=LATER, lease_seconds=LEASE) is None
    assert proxy.cuts == 1


def test_resume_whose_reply_was_lost_is_made_again(lossy: tuple[Proxy, Database], key: PipelineKey) -> None:
    """The second epoch is newer still."""
    proxy, database = lossy
    add_hours(database, key, 1)
    first = claim(database, key)
    proxy.cut_commits = 1
    record = claims.resume(database, key, run(), lease_seconds=LEASE)
    assert record is not None
    assert record.lock_epoch > first.lock_epoch
    assert moves(database, record.id) == ["claim_oldest", "resume", "resume"]


MOVES: dict[str, Any] = {
    "complete": lambda db, lock: progress.complete(db, lock, Result.LOADED),
    "fail": lambda db, lock: progress.fail(db, lock, "no luck", backoff_seconds=0),
    "fail_unavailable": lambda db, lock: progress.fail_unavailable(
        db, lock, "no answer", backoff_seconds=0, threshold=3
    ),
    "mismatch": lambda db, lock: progress.mismatch(db, lock, "lost", backoff_seconds=0),
    "release": lambda db, lock: progress.release(db, lock, "enough"),
    "park": lambda db, lock: progress.park(db, lock, seconds=60),
    "restage": progress.restage,
    "begin_audit": lambda db, lock: progress.begin(db, lock, Phase.AUDIT, lease_seconds=60),
}


@pytest.mark.parametrize("move", MOVES)
def test_move_whose_reply_was_lost_counts_as_made(
    lossy: tuple[Proxy, Database], key: PipelineKey, move: str
) -> None:
    """No false LockLost and no second attempt counted: an ending is recognised, the rest made again."""
    proxy, database = lossy
    add_hours(database, key, 1)
    lock = claim(database, key).lock()
    loaded(database, lock)
    proxy.cut_commits = 1
    record = MOVES[move](database, lock)
    assert proxy.cuts == 1
    assert record.move_name == move
    assert moves(database, lock.record_id).count(move) == (1 if record.lock_owner is None else 2)
    assert read(database, lock.record_id) == record


def test_every_reply_is_lost(lossy: tuple[Proxy, Database], key: PipelineKey) -> None:
    """A window goes all its way over a connection that breaks at each COMMIT."""
    proxy, database = lossy
    add_hours(database, key, 1)
    proxy.cut_commits = 1
    lock = claim(database, key).lock()
    steps: list[Callable[[], Record]] = [
        lambda: progress.begin(database, lock, Phase.SOURCE_TO_STAGE, lease_seconds=60),
        lambda: progress.finish(database, lock, Phase.SOURCE_TO_STAGE, park_seconds=60, stage_epoch=1),
        lambda: progress.begin(database, lock, Phase.STAGE_TO_TARGET, lease_seconds=60),
        lambda: progress.finish(database, lock, Phase.STAGE_TO_TARGET, park_seconds=60),
        lambda: progress.begin(database, lock, Phase.AUDIT, lease_seconds=60),
        lambda: progress.complete(database, lock, Result.LOADED),
    ]
    for step in steps:
        proxy.cut_commits = 1
        record = step()
    assert proxy.cuts == 7
    assert record.pipeline_status is Status.COMPLETED
    endings = [name for name in moves(database, lock.record_id) if name == "complete"]
    assert endings == ["complete"]


def test_work_is_not_lost_to_a_short_outage(
    lossy: tuple[Proxy, Database], postgres_control_url: str, key: PipelineKey
) -> None:
    """A marker that hours of work stand behind is tried for longer than a connection is."""
    proxy, _ = lossy
    with Database(proxy.url(postgres_control_url), patience=0.05) as database:
        add_hours(database, key, 1)
        lock = claim(database, key).lock()
        progress.begin(database, lock, Phase.SOURCE_TO_STAGE, lease_seconds=60)
        proxy.down = True
        proxy.drop_all()
        threading.Timer(0.7, setattr, (proxy, "down", False)).start()
        record = progress.finish(database, lock, Phase.SOURCE_TO_STAGE, park_seconds=60)
    assert record.phase_completed is Phase.SOURCE_TO_STAGE


def test_repeated_move_in_doubt_is_not_taken_for_the_first(
    lossy: tuple[Proxy, Database], key: PipelineKey
) -> None:
    """Parked once, the second parking lost: the lease is that of the second."""
    proxy, database = lossy
    add_hours(database, key, 1)
    lock = claim(database, key).lock()
    progress.park(database, lock, seconds=10)
    proxy.cut_commits = 1
    record = progress.park(database, lock, seconds=5000)
    assert record.lease_expires_at is not None
    assert record.lease_expires_at > database.now() + timedelta(seconds=4000)


def test_loss_in_the_meantime_is_still_a_loss(
    lossy: tuple[Proxy, Database], postgres_control_url: str, key: PipelineKey
) -> None:
    """A reply that was lost does not make a success of a move that was refused."""
    proxy, database = lossy
    add_hours(database, key, 1)
    lock = claim(database, key).lock()
    claims.resume(database, key, run(), lease_seconds=LEASE)
    proxy.cut_commits = 1
    with pytest.raises(LockLost):
        progress.complete(database, lock, Result.LOADED)


def test_decision_in_doubt_says_so(lossy: tuple[Proxy, Database], key: PipelineKey) -> None:
    """A person's move is not made twice on a guess: the message says that the outcome is unknown."""
    proxy, database = lossy
    add_hours(database, key, 1)
    progress.complete(database, claim(database, key).lock(), Result.EMPTY)
    proxy.cut_commits = 1
    with pytest.raises(InDoubt, match="whether the move was made is unknown"):
        decisions.reopen(database, key, first=FIRST, last=LATER, actor="ann", reason="x")


def test_restart_between_two_statements_is_not_noticed(
    lossy: tuple[Proxy, Database], key: PipelineKey
) -> None:
    """Connections that died while nobody used them are replaced."""
    proxy, database = lossy
    add_hours(database, key, 2)
    for number in range(3):
        proxy.drop_all()
        assert database.run("record_by_id", id=-number) == []
        proxy.drop_all()
        with database.transaction() as transaction:
            transaction.run("record_by_id", id=1)


def test_server_that_dies_in_a_transaction_leaves_nothing(
    lossy: tuple[Proxy, Database], key: PipelineKey
) -> None:
    """Before COMMIT nothing has happened, and that is told as worth another try."""
    proxy, database = lossy
    with pytest.raises(Unavailable) as told, database.transaction() as transaction:  # noqa: PT012
        transaction.run("announce_pipeline", **key.parameters, grid_history="x")
        proxy.drop_all()
        transaction.run("lock_pipeline", **key.parameters)
    assert not isinstance(told.value, InDoubt)
    assert database.run("grid_history", **key.parameters) == []

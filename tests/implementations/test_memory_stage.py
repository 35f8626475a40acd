"""The memory of a process keeps the contract of stages, as long as it lives."""

from secrets import token_hex

import obstore
import pytest

from implementations.object_store.bucket import BucketStage
from pipeline_framework.errors import StageLost
from pipeline_framework.interfaces import Manifest
from pipeline_framework.testing.stage_contract import StageContract, reading
from pipeline_framework.testing.truth import lock_for, marked, truth


def named() -> BucketStage:
    return BucketStage(f"memory://{token_hex(4)}")


class TestMemoryStage(StageContract):
    """Each name is a store of its own."""

    @pytest.fixture
    def stage(self) -> BucketStage:
        return named()

    def lose(self, stage: BucketStage, manifest: Manifest, name: str) -> None:  # type: ignore[override]
        obstore.delete(
            stage._store(), place(stage, manifest, "manifest.json" if name == "manifest" else name)
        )

    def text(self, stage: BucketStage, manifest: Manifest, name: str) -> bytes:  # type: ignore[override]
        return obstore.get(stage._store(), place(stage, manifest, name)).bytes().to_bytes()


def place(stage: BucketStage, manifest: Manifest, name: str) -> str:
    """Where a file of a manifest lies in the store."""
    return f"{manifest.address.removeprefix(stage.url + '/').rpartition('/')[0]}/{name}"


def test_another_name_knows_nothing() -> None:
    """What another process staged is lost to this one in the same way."""
    stage = named()
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    with pytest.raises(StageLost):
        named().staged(lock)

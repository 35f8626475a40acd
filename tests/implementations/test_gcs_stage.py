"""Buckets of Google Cloud Storage keep the contract of stages, on a fake of its API, and refuse plainly."""

import secrets
from typing import Any

import pytest

from implementations.object_store.bucket import BucketStage
from pipeline_framework.errors import Misuse, Unavailable
from pipeline_framework.interfaces import Manifest
from pipeline_framework.testing.stage_contract import StageContract
from pipeline_framework.testing.truth import lock_for
from tests.services.fake_gcs import TOKEN, FakeGcs


def stage_at(fake: FakeGcs, **settings: Any) -> BucketStage:
    """A stage in a bucket of its own."""
    bucket = f"test-{secrets.token_hex(6)}"
    fake.buckets[bucket] = {}
    options = {"base_url": fake.url, "bearer_token": TOKEN, **settings.pop("options", {})}
    return BucketStage(**{"url": f"gs://{bucket}/stage", "options": options, **settings})


def place(fake: FakeGcs, manifest: Manifest, name: str) -> tuple[dict[str, bytes], str]:
    """The bucket of a manifest, and the key of a file beside it."""
    bucket, _, folder = manifest.address.removeprefix("gs://").rpartition("/")[0].partition("/")
    return fake.buckets[bucket], f"{folder}/{name}"


class TestGcsStage(StageContract):
    """Over HTTP, with Google's words on who comes first; the server is a fake."""

    @pytest.fixture
    def stage(self, fake_gcs: FakeGcs) -> BucketStage:
        self.fake = fake_gcs
        return stage_at(fake_gcs)

    def lose(self, stage: BucketStage, manifest: Manifest, name: str) -> None:  # type: ignore[override]
        objects, key = place(self.fake, manifest, "manifest.json" if name == "manifest" else name)
        del objects[key]

    def text(self, stage: BucketStage, manifest: Manifest, name: str) -> bytes:  # type: ignore[override]
        objects, key = place(self.fake, manifest, name)
        return objects[key]


def test_clearing_goes_beyond_one_page_of_a_listing(fake_gcs: FakeGcs) -> None:
    """A listing has a thousand objects at most; an old epoch may have left more."""
    stage = stage_at(fake_gcs)
    objects = fake_gcs.buckets[stage.url.split("/")[2]]
    folder = "stage/pipeline=contract/window=20131103T050000Z_20131103T070000Z/epoch=1"
    objects |= {f"{folder}/part-{number:05}.parquet": b"x" for number in range(1100)}
    stage.clear(lock_for(epoch=2))
    assert not objects


@pytest.mark.parametrize(
    ("settings", "kind", "told"),
    [
        ({"url": "gs://no-such-bucket/x"}, Misuse, "no bucket gs://no-such-bucket"),
        ({"options": {"bearer_token": "hunter-2"}}, Misuse, "does not let these credentials"),
        ({"options": {"base_url": "http://127.0.0.1:9"}}, Unavailable, "does not answer"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    fake_gcs: FakeGcs, settings: dict[str, Any], kind: type[Exception], told: str
) -> None:
    """A bucket that is not there, another token, another place; no secret is in it."""
    with pytest.raises(kind, match=told) as raised:
        stage_at(fake_gcs, **settings).check()
    assert "\n" not in str(raised.value)
    assert not [secret for secret in (TOKEN, "hunter-2") if secret in str(raised.value)]

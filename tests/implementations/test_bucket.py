"""Buckets keep the contract of stages on a real S3 server, and refuse plainly."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.object_store.bucket import BucketStage
from pipeline_framework.errors import Fenced, Misuse, StageLost, Unavailable
from pipeline_framework.interfaces import Manifest
from pipeline_framework.testing.stage_contract import StageContract, reading
from pipeline_framework.testing.truth import lock_for, marked, truth
from tests.services.go_between import Answered, Asked, go_between
from tests.services.s3 import KEYS, client

pytestmark = pytest.mark.services


@pytest.fixture
def stage(s3_server: str, fresh_bucket: Callable[[], str]) -> BucketStage:
    """A folder in a bucket of its own."""
    return stage_at(s3_server, f"s3://{fresh_bucket()}/some/folder")


def stage_at(server: str, url: str, **settings: Any) -> BucketStage:
    """A stage of the test server."""
    secrets = {name: SecretStr(value) for name, value in KEYS.items()}
    return BucketStage(url, **{"endpoint": server, "region": "us-east-1", **secrets, **settings})


def objects_of(stage: BucketStage, server: str) -> list[str]:
    """Every key of its bucket, past the stage itself."""
    bucket = stage.url.split("/")[2]
    pages = client(server).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [each["Key"] for page in pages for each in page.get("Contents", [])]


class TestBucketStage(StageContract):
    """Over HTTP, with Amazon's own rules of who comes first."""

    @pytest.fixture
    def stage(self, s3_server: str, fresh_bucket: Callable[[], str]) -> BucketStage:
        self.server = s3_server
        return stage_at(s3_server, f"s3://{fresh_bucket()}/stage/")

    def lose(self, stage: BucketStage, manifest: Manifest, name: str) -> None:  # type: ignore[override]
        wanted = "manifest.json" if name == "manifest" else name
        client(self.server).delete_object(**self.place(manifest, wanted))

    def text(self, stage: BucketStage, manifest: Manifest, name: str) -> bytes:  # type: ignore[override]
        return bytes(client(self.server).get_object(**self.place(manifest, name))["Body"].read())

    def place(self, manifest: Manifest, name: str) -> dict[str, str]:
        """Where a file of a manifest lies."""
        bucket, folder = manifest.address.removeprefix("s3://").rpartition("/")[0].split("/", 1)
        return {"Bucket": bucket, "Key": f"{folder}/{name}"}


def test_a_prefix_may_end_in_a_slash_or_not(stage: BucketStage, s3_server: str) -> None:
    """Both name the same folder."""
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    assert replace(stage, url=stage.url + "/").staged(lock).manifest.rows == 60
    folder = "some/folder/pipeline=contract/window=20131103T050000Z_20131103T070000Z/epoch=1"
    assert objects_of(stage, s3_server) == [f"{folder}/manifest.json", f"{folder}/part-00000.parquet"]


def test_check_leaves_nothing(stage: BucketStage, s3_server: str) -> None:
    """The proof that objects can be written and removed is removed."""
    assert stage.url in stage.check()
    assert objects_of(stage, s3_server) == []


def test_large_windows_become_several_objects(stage: BucketStage) -> None:
    """Each is a whole file, and together they are all rows."""
    stage = replace(stage, part_bytes=10_000)
    staged = stage.staged(marked(lock_for(), stage.write(lock_for(), reading(truth(rows=400_000)))))
    assert len(staged.paths) > 2
    assert all(path.startswith(stage.url) for path in staged.paths)
    assert staged.batches().read_all().num_rows == 400_000


def test_clearing_goes_beyond_one_page_of_a_listing(stage: BucketStage, s3_server: str) -> None:
    """S3 lists a thousand objects at a time; an old epoch may have left more."""
    bucket, folder = stage.url.split("/")[2], "some/folder/pipeline=contract"
    window, store = "window=20131103T050000Z_20131103T070000Z", client(s3_server)
    for number in range(1100):
        store.put_object(Bucket=bucket, Key=f"{folder}/{window}/epoch=1/part-{number:05}.parquet", Body=b"x")
    stage.clear(lock_for(epoch=2))
    assert objects_of(stage, s3_server) == []


def test_an_object_of_another_size_is_lost(stage: BucketStage, s3_server: str) -> None:
    """A copy that broke off is noticed before a row of it is loaded."""
    manifest = stage.write(lock_for(), reading(truth()))
    bucket, folder = manifest.address.removeprefix("s3://").rpartition("/")[0].split("/", 1)
    client(s3_server).put_object(Bucket=bucket, Key=f"{folder}/{manifest.files[0].name}", Body=b"short")
    with pytest.raises(StageLost, match="5 bytes instead of"):
        stage.staged(marked(lock_for(), manifest))


def test_a_stage_that_was_moved_is_staged_again(stage: BucketStage) -> None:
    """The marker names a place that the configuration does not."""
    lock = marked(lock_for(), stage.write(lock_for(), reading(truth())))
    with pytest.raises(StageLost, match="not in s3://elsewhere"):
        replace(stage, url="s3://elsewhere/stage").staged(lock)


@pytest.mark.parametrize(
    ("settings", "kind", "told"),
    [
        ({"url": "s3://no-such-bucket/x"}, Misuse, "no bucket s3://no-such-bucket"),
        ({"url": "ftp://here/x"}, Misuse, "cannot be opened"),
        ({"options": {"nonsense": "1"}}, Misuse, "cannot be opened"),
        ({"endpoint": "http://127.0.0.1:9"}, Unavailable, "does not answer"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    stage: BucketStage, settings: dict[str, Any], kind: type[Exception], told: str
) -> None:
    """Check and write say it alike, without a secret in it."""
    wrong = replace(stage, **settings)
    for ask in (wrong.check, lambda: wrong.write(lock_for(), reading(pa.table({"n": [1]})))):
        with pytest.raises(kind, match=told) as raised:
            ask()
        assert "\n" not in str(raised.value)
        assert KEYS["secret_access_key"] not in str(raised.value)


@pytest.mark.parametrize("name", ["part-00000.parquet", "manifest.json"])
def test_a_write_whose_answer_got_lost_is_no_other_writer(
    stage: BucketStage, s3_server: str, name: str
) -> None:
    """The store sends it again and is told that it is there: what is there is its own."""
    with go_between(s3_server) as between:
        lost = [Answered(500, b"")]

        def losing(asked: Asked, answer: Answered) -> Answered:
            return lost.pop() if asked.method == "PUT" and name in asked.path and lost else answer

        between.after = losing
        manifest = replace(stage, endpoint=between.url).write(lock_for(), reading(truth()))
    assert not lost
    assert stage.staged(marked(lock_for(), manifest)).batches().read_all().num_rows == 60


def test_a_manifest_of_which_nobody_heard_is_answered_to_its_owner(
    stage: BucketStage, s3_server: str
) -> None:
    """The store fails from the moment on that it has the manifest; the next try of the same epoch goes on."""
    with go_between(s3_server) as between:
        away = list[str]()

        def failing(asked: Asked, answer: Answered) -> Answered:
            if away or (asked.method == "PUT" and "manifest.json" in asked.path):
                away.append(asked.path)
            return Answered(503, b"") if away else answer

        between.after = failing
        through = replace(stage, endpoint=between.url)
        with pytest.raises(Unavailable):
            through.write(lock_for(), reading(truth()))
        between.after = lambda _, answer: answer
        manifest = through.write(lock_for(), reading(truth()))
        with pytest.raises(Fenced):
            through.write(lock_for(owner="run 2"), reading(truth()))
    assert stage.staged(marked(lock_for(), manifest)).batches().read_all().num_rows == 60

"""What can be wrong with a stage: one sentence each with its key, and no window is moved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.mistakes import SECRET, Mistake, pipeline, require_told

pytestmark = pytest.mark.services
S3 = {
    "wrong host": Mistake(
        {"endpoint": "http://127.0.0.1:1"},
        "{url} does not answer as it should (Generic S3 error: Error performing list request: Error "
        "performing GET http://127.0.0.1:1/{bucket}?list-type=2&prefix=stage%2Fpipeline%3Dmistaken%2Fwindow%3D"
        "20130309T050000Z_20130309T060000Z%2F  - HTTP error: error sending request): start it, or correct "
        "`stage.endpoint`.",
        1,
        checked=False,
    ),
    "no bucket": Mistake(
        {"url": "s3://nowhere/stage"},
        "There is no bucket s3://nowhere/stage: make it, or correct `stage.url`.",
    ),
    "no profile": Mistake(
        {"profile": "nobody"},
        "The AWS profile nobody cannot be used (The config profile (nobody) could not be found): correct "
        "`stage.profile`, or add it to the AWS configuration of this host.",
    ),
    "no name of a bucket": Mistake(
        {"url": "s3:///stage"},
        'The stage s3:///stage cannot be opened: Generic URL error: Unable to recognise URL "s3:///stage". '
        "Correct `stage.url` or its options.",
    ),
    "unknown option": Mistake(
        {"options": {"nonsense": "1"}},
        "The stage {url} cannot be opened: Configuration key: 'nonsense' is not valid for store 'S3'. "
        "Correct "
        "`stage.url` or its options.",
    ),
}
LOCAL = {
    "a file in its place": Mistake(
        {"path": "pipeline.yml"},
        "The stage folder {folder}/pipeline.yml cannot be written (File exists (os error 17)): allow it, or "
        "change "
        "`stage.path`.",
    ),
    "a place that takes no folders": Mistake(
        {"path": "/proc/stage"},
        "The stage folder /proc/stage does not work (No such file or directory (os error 2)): look at its "
        "disk, or "
        "change `stage.path`.",
        1,
    ),
}


@pytest.fixture
def s3(s3_server: str, fresh_bucket: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stage in a bucket that is there."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    keys = {"access_key_id": "tests", "secret_access_key": SECRET, "region": "us-east-1"}
    return {"type": "s3", "url": f"s3://{fresh_bucket()}/stage", "endpoint": s3_server, **keys}


@pytest.mark.parametrize("what", S3)
def test_a_bucket_says_what_is_wrong_with_it(s3: dict[str, Any], what: str, tmp_path: Path) -> None:
    """The address and the key to correct."""
    names = {"url": s3["url"], "bucket": s3["url"].split("/")[2]}
    require_told(pipeline(tmp_path, stage=s3 | S3[what].keys), S3[what], **names)


def test_a_bucket_without_credentials_names_the_keys(
    s3: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a host that has no role of its own: what Amazon's hosts are asked for answers nothing."""
    from implementations.object_store import bucket

    monkeypatch.setattr(bucket, "_OWN_ROLE", "http://127.0.0.1:1/")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    stage = {key: value for key, value in s3.items() if "access_key" not in key}
    said = (
        "{url}: no credentials are given, and this host has none of its own: set `stage.access_key_id` and "
        "`stage.secret_access_key`, their AWS_ variables, or `stage.profile`."
    )
    require_told(pipeline(tmp_path, stage=stage), Mistake({}, said), url=s3["url"])


@pytest.mark.parametrize("what", LOCAL)
def test_a_folder_says_what_is_wrong_with_it(what: str, tmp_path: Path) -> None:
    """The folder and the key."""
    mistake = LOCAL[what]
    require_told(pipeline(tmp_path, stage={"type": "local", **mistake.keys}), mistake, folder=tmp_path)
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_memory_holds_what_one_process_moves(tmp_path: Path) -> None:
    """There is nothing to be wrong with but the process's end."""
    moving = pipeline(tmp_path, stage={"type": "memory", "url": "memory://mistakes"})
    assert moving("run").code == 0
    assert len(moving.target()) == 6

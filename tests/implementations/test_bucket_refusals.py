"""What a person can get wrong about a bucket is one sentence; a fake stands in for what Amazon answers."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from implementations.object_store.bucket import BucketStage
from pipeline_framework.errors import Misuse
from tests.services.loopback import Handler, served

SECRET = "only for tests"


def refusing(status: int, code: str) -> type[Handler]:
    """A fake of S3 that refuses every request like this."""

    class FakeS3(Handler):
        def answer(self) -> None:
            self.body()
            refusal = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.say(status, {}, len(refusal))
            self.wfile.write(refusal)

    return FakeS3


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (301, "PermanentRedirect", "is in another region: set `stage.region`"),
        (400, "AuthorizationHeaderMalformed", "is in another region: set `stage.region`"),
        (403, "AccessDenied", "does not let these credentials"),
        (403, "SignatureDoesNotMatch", "does not let these credentials"),
        (404, "NoSuchBucket", "There is no bucket s3://bucket/stage"),
    ],
)
def test_a_refusal_says_what_to_correct(status: int, code: str, told: str) -> None:
    """In one line, without a secret."""
    with served(refusing(status, code)) as server, pytest.raises(Misuse, match=told) as raised:
        BucketStage("s3://bucket/stage", server, "us-east-1", SecretStr("tests"), SecretStr(SECRET)).check()
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("profiles", "told"),
    [("", "could not be found"), ("[profile lake]\nregion = eu-west-1\n", "lake cannot be used")],
)
def test_a_profile_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profiles: str, told: str
) -> None:
    """One that nobody has defined, and one without credentials."""
    (tmp_path / "config").write_text(profiles)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Misuse, match=told) as raised:
        BucketStage("s3://bucket/stage", profile="lake").check()
    assert "`stage.profile`" in str(raised.value)
    assert "\n" not in str(raised.value)

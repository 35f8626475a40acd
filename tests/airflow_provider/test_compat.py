"""Where Airflow's releases differ."""

import pytest

from pipeline_framework.airflow_provider import compat
from pipeline_framework.airflow_provider.get_provider_info import get_provider_info
from pipeline_framework.errors import Misuse, Terminal


@pytest.mark.parametrize("version", ["2.10.5", "2.11.0", "3.0.6"])
def test_older_releases_are_refused_in_one_sentence(version: str) -> None:
    """It says which release this is, which are meant, and what to install."""
    with pytest.raises(ImportError, match=rf"runs on Airflow 3\.1 to 3\.3 and this is {version}: install"):
        compat.release(version)


@pytest.mark.parametrize("version", ["3.1.0", "3.2.1", "3.3.2", "3.3.0rc1"])
def test_releases_since_3_1_are_taken(version: str) -> None:
    """Release candidates too."""
    assert compat.release(version) >= (3, 1)


def test_each_release_is_asked_for_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """3.1 knows neither run types nor retry policies: there a terminal error becomes AirflowFailException."""
    monkeypatch.setattr(compat, "RELEASE", (3, 1))
    assert compat.no_backfills() == compat.never_tried_again(Terminal, "reason") == {}
    told = compat.terminal(Misuse("wrong key"))
    assert isinstance(told, compat.AirflowFailException)
    assert str(told) == "wrong key"


@pytest.mark.skipif(compat.RELEASE < (3, 3), reason="retry policies came with Airflow 3.3")
def test_a_terminal_error_is_not_tried_again_since_3_3() -> None:
    """The error itself reaches Airflow, and the policy of the task says FAIL to it and nothing to others."""
    policy = compat.never_tried_again(Terminal, "reason")["retry_policy"]
    assert policy.evaluate(Misuse("wrong key"), 1, 3).action.value == "fail"
    assert policy.evaluate(ConnectionError(), 1, 3).action.value == "default"
    assert "backfill" not in compat.no_backfills()["allowed_run_types"]


def test_the_provider_is_listed() -> None:
    """What Airflow shows under `airflow providers list`."""
    assert get_provider_info()["package-name"] == "pipeline-framework"

"""Connections that Airflow keeps, and secrets that stay out of its logs."""

from pathlib import Path

import pytest
from airflow.sdk._shared.secrets_masker import redact

from pipeline_framework.airflow_provider.connections import keep_secret, use_airflow_connections
from pipeline_framework.config import load_final_config
from pipeline_framework.errors import Misuse
from tests.airflow_provider.scenario import make

PASSWORD = "correct-horse-battery"


def kept(folder: Path, **control: str) -> Path:
    """A pipeline file with that control table."""
    return make(folder / "kept", control=control).file


def test_a_password_is_masked_once_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone and inside its address, wherever a task might log it."""
    url = f"postgresql://me:{PASSWORD}@db.example/control"
    monkeypatch.setenv("PIPELINE_CONN_MASKED", url)
    assert PASSWORD in str(redact(f"password {PASSWORD}"))
    keep_secret(load_final_config(kept(tmp_path, conn_id="masked")))
    assert PASSWORD not in str(redact(f"password {PASSWORD}"))
    assert PASSWORD not in str(redact(f"could not reach {url}"))


def test_a_password_is_masked_as_it_is_typed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address holds it encoded, a driver may say it plainly; the same for a connection in JSON."""
    monkeypatch.setenv("PIPELINE_CONN_ENCODED", "postgresql://me:p%40ss%2Fphrase@db.example/control")
    keep_secret(load_final_config(kept(tmp_path, conn_id="encoded")))
    assert "p@ss/phrase" not in str(redact("password p@ss/phrase is wrong"))
    parts = '{"conn_type": "postgres", "host": "h", "login": "me", "password": "s#per/secret", "schema": "c"}'
    monkeypatch.setenv("PIPELINE_CONN_ENCODED", parts)
    keep_secret(load_final_config(tmp_path / "kept" / "pipeline.yml"))
    assert "s#per/secret" not in str(redact("password s#per/secret is wrong"))


def test_a_password_inside_a_secret_address_is_masked(tmp_path: Path) -> None:
    """Also where the address is a connector's, and the driver tells its parts."""
    file = kept(tmp_path, url="sqlite:///control.db")
    address = "postgresql://me:to%20be%20kept@db.example/target"
    file.write_text(file.read_text().replace("table: rows", f'table: rows, url: "{address}"'))
    keep_secret(load_final_config(file))
    assert "to be kept" not in str(redact("no entry for me with to be kept"))
    assert "to%20be%20kept" not in str(redact("to%20be%20kept"))


def test_a_secret_of_the_file_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that a connector's key holds, from the environment."""
    monkeypatch.setenv("API_TOKEN", "tok-1234567")
    file = kept(tmp_path, url="sqlite:///control.db")
    file.write_text(file.read_text().replace("trouble: trouble}}\nstage", "trouble: ${API_TOKEN}}\nstage", 1))
    file.write_text(file.read_text().replace('path: "data/*.parquet"', 'path: "${API_TOKEN}"'))
    keep_secret(load_final_config(file))
    assert "tok-1234567" not in str(redact("the answer to tok-1234567 was 403"))


def test_a_connection_that_nobody_knows_says_what_to_export(tmp_path: Path) -> None:
    """Airflow was asked too and knows none; the message names the variable."""
    use_airflow_connections()
    with pytest.raises(Misuse, match="Export PIPELINE_CONN_NOBODY_KNOWS=postgresql://"):
        _ = load_final_config(kept(tmp_path, conn_id="nobody_knows")).control_url

"""A folder to write configurations into, with an environment that says nothing of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_framework.config import FinalConfig, load_final_config

Loader = Callable[..., FinalConfig]


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIPELINE_CONFIG", "PIPELINE_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a text, written as pipeline.yml (or another name) into a folder of the test."""

    def loading(text: str, name: str = "pipeline.yml") -> FinalConfig:
        (tmp_path / name).write_text(text)
        return load_final_config(tmp_path / name)

    return loading


@pytest.fixture
def problems(tmp_path: Path) -> Callable[..., list[str]]:
    """The mistakes in a text, one a line, without the folder of the test."""

    def telling(text: str, name: str = "pipeline.yml") -> list[str]:
        from pipeline_framework.errors import Misuse

        (tmp_path / name).write_text(text)
        with pytest.raises(Misuse) as caught:
            load_final_config(tmp_path / name)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return telling

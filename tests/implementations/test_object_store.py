"""The local stage keeps the contract, and says what is wrong with its disk."""

from pathlib import Path

import pytest

from implementations.object_store import LocalStage
from pipeline_framework.interfaces import Manifest
from pipeline_framework.testing.stage_contract import StageContract


class TestLocalStage(StageContract):
    """In a folder of its own."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> LocalStage:
        return LocalStage(str(tmp_path / "stage [1] ä"))

    def lose(self, stage: LocalStage, manifest: Manifest, name: str) -> None:  # type: ignore[override]
        found = Path(stage.path).rglob("manifest.json" if name == "manifest" else name)
        next(found).unlink()

"""A pipeline on a real control table, of either kind in turn, whose transfer does as a test tells it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline_framework import pipeline as pipelines
from pipeline_framework.config import load_final_config
from pipeline_framework.control_table import PipelineKey
from pipeline_framework.interfaces import Loaded, Lock, Manifest, StagedFile
from pipeline_framework.pipeline import Pipeline

CONFIG = """
pipeline_id: {pipeline_id}
control: {{url: "{control_url}"}}
granularity: 1h
start: 2013-01-01
end: 2013-01-02
max_attempts: 2
retry_seconds: 0
backoff_seconds: 0
source: {{type: files, path: "data/*.parquet", time_field: at}}
stage: {{type: local, path: stage}}
target: {{type: duckdb, path: warehouse.duckdb, table: t, time_field: at}}
"""
NOW = datetime(2013, 1, 1, 12, tzinfo=UTC)


@dataclass
class ScriptedTransfer:
    """Stands in for connectors, to fail where a test wants it: keeps numbers of rows and every call."""

    source: int = 10
    target: int = 0
    ledger: Loaded | None = None
    lost: int = 0  # rows that go missing between stage and target
    bad: int = 0  # rows that are put aside
    faults: dict[str, list[BaseException]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.faults.get(name):
            raise self.faults[name].pop(0)

    def check(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "scripted", lambda: "answers"

    def source_count(self, lock: Lock) -> int:
        self._called("source_count")
        return self.source

    def target_count(self, lock: Lock) -> int:
        self._called("target_count")
        return self.target

    def source_to_stage(self, lock: Lock) -> Manifest:
        self._called("source_to_stage")
        manifest = Manifest(f"window/{lock.epoch}/manifest.json", "digest", lock.epoch)
        return replace(
            manifest,
            rows=self.source - self.bad,
            bad_rows=self.bad,
            filtered_rows=0,
            source_count=self.source,
            bad_files=[StagedFile("bad-00000.jsonl", self.bad, 100)] * bool(self.bad),
        )

    def stage_to_target(self, lock: Lock) -> Loaded:
        self._called("stage_to_target")
        self.target = self.source - self.bad - self.lost
        self.ledger = Loaded(lock.epoch, lock.owner, self.target)
        return self.ledger

    def loaded(self, lock: Lock) -> Loaded | None:
        return self.ledger

    def clear_stage(self, lock: Lock) -> None:
        self._called("clear_stage")

    def replaces(self) -> bool:
        return True


@pytest.fixture
def transfer() -> ScriptedTransfer:
    """Ten rows in the source, none in the target, no fault."""
    return ScriptedTransfer()


@pytest.fixture
def pipeline_file(tmp_path: Path, control_url: str, key: PipelineKey) -> Path:
    """Its configuration file."""
    path = tmp_path / "pipeline.yml"
    path.write_text(CONFIG.format(pipeline_id=key.pipeline_id, control_url=control_url))
    return path


@pytest.fixture
def scripted(pipeline_file: Path, transfer: ScriptedTransfer) -> Iterator[Pipeline]:
    """The pipeline, with the scripted transfer in place of connectors."""
    with pipelines.opened(load_final_config(pipeline_file)) as pipeline:
        pipeline.transfer = transfer
        yield pipeline

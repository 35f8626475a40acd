"""Stages in buckets by their types, as a pipeline file names them."""

from pathlib import Path

import pytest

from pipeline_framework import registry
from pipeline_framework.config import load_final_config
from pipeline_framework.config.final import FinalConfig
from pipeline_framework.errors import Misuse
from pipeline_framework.operations.scaffold import scaffold

ADDRESSES = {
    "s3": ["s3://b/x", "s3a://b", "S3://b/x"],
    "gcs": ["gs://b/x"],
    "azure": ["az://c/x", "azure://c", "abfs://c", "abfss://c@a.dfs.core.windows.net/x", "adl://c"],
    "memory": ["memory://x"],
}
OWN = [(kind, url) for kind, urls in ADDRESSES.items() for url in urls]
OTHERS = [(kind, urls[0]) for kind in ADDRESSES for other, urls in ADDRESSES.items() if other != kind]


def built(config: FinalConfig) -> object:
    return registry.build("stage", config.stage or {}, config)


@pytest.mark.parametrize(("kind", "url"), OWN)
def test_an_address_of_the_type_is_taken(tmp_path: Path, kind: str, url: str) -> None:
    """In each form that obstore knows."""
    assert getattr(built(configured(tmp_path, kind, url)), "url", None) == url


@pytest.mark.parametrize(
    ("kind", "url"), [*OTHERS, ("s3", "bucket/prefix"), ("s3", "https://example.com/x"), ("gcs", "")]
)
def test_an_address_of_another_type_is_refused(tmp_path: Path, kind: str, url: str) -> None:
    """With the line, before anything is asked; what the type's own begins with is said."""
    config = configured(tmp_path, kind, url)
    begins = ADDRESSES[kind][0].partition("//")[0]
    with pytest.raises(Misuse, match=rf"pipeline\.yml:\d+: stage\.url: Must begin with {begins}//.* `type`"):
        built(config)


@pytest.mark.parametrize("kind", ADDRESSES)
def test_the_example_is_of_the_type(tmp_path: Path, kind: str) -> None:
    """What `pipeline init` writes begins as such an address does."""
    made = scaffold(tmp_path, pipeline_id="p", source="files", stage=kind, target="sqlite").pipeline_file
    assert f"\n  url: {ADDRESSES[kind][0].partition('//')[0]}//" in made.read_text()


def configured(folder: Path, kind: str, url: str) -> FinalConfig:
    """A pipeline with that stage."""
    file = scaffold(folder, pipeline_id="p", source="files", stage=kind, target="sqlite").pipeline_file
    head, _, rest = file.read_text().partition("\n  url: ")
    file.write_text(f"{head}\n  url: '{url}'\n{rest.partition(chr(10))[2]}")
    return load_final_config(file)

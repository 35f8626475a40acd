"""A test that inherits a contract and gives too little."""

import pytest

from implementations.object_store.bucket import BucketStage
from pipeline_framework.interfaces import Manifest
from pipeline_framework.testing import StageContract


class Lacking(StageContract):
    """Gives nothing."""


def test_what_lacks_fails_by_name() -> None:
    """With the contract whose docstring explains it; an abstract class pytest would pass over in silence."""
    said = "Lacking inherits StageContract and has to give `lose`: the contract's docstring says what it is."
    with pytest.raises(pytest.fail.Exception) as failed:
        Lacking().lose(BucketStage("memory://x"), Manifest(), "manifest")
    assert str(failed.value) == said

"""A test that inherits a contract and gives too little."""

from collections.abc import Callable

import pytest

from implementations.object_store.bucket import BucketStage
from pipeline_framework.interfaces import Manifest
from pipeline_framework.testing import FenceContract, StageContract

STAGE = BucketStage("memory://x")


class Stages(StageContract):
    """Gives nothing."""


class Fences(FenceContract):
    """Gives nothing either."""


@pytest.mark.parametrize(
    ("used", "said", "lacks"),
    [
        (lambda: Stages().lose(STAGE, Manifest(), "manifest"), "Stages inherits StageContract", "lose"),
        (lambda: Fences().ends, "Fences inherits FenceContract", "ends"),
    ],
    ids=["method", "name"],
)
def test_what_lacks_fails_by_name(used: Callable[[], object], said: str, lacks: str) -> None:
    """With the contract whose docstring explains it; an abstract class pytest would pass over in silence."""
    with pytest.raises(pytest.fail.Exception) as failed:
        used()
    assert str(failed.value) == f"{said} and has to give `{lacks}`: the contract's docstring says what it is."

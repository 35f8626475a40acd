"""Contract tests for connectors: inherit a class, give its fixture, and pytest proves the promises.

    class TestMySource(SourceContract):
        @pytest.fixture
        def filled(self, tmp_path): ...

Needs pytest and Hypothesis; nothing of Airflow.
"""

import pytest

# So that a broken promise is shown with its values.
pytest.register_assert_rewrite(
    "pipeline_framework.testing.fence_contract",
    "pipeline_framework.testing.interrupted",
    "pipeline_framework.testing.null_contract",
    "pipeline_framework.testing.overwrite_contract",
    "pipeline_framework.testing.scope_contract",
    "pipeline_framework.testing.source_contract",
    "pipeline_framework.testing.stage_contract",
    "pipeline_framework.testing.target_contract",
    "pipeline_framework.testing.write_contract",
)

from pipeline_framework.testing.crashes import killed  # noqa: E402
from pipeline_framework.testing.fence_contract import FenceContract  # noqa: E402
from pipeline_framework.testing.scope_contract import ScopeContract  # noqa: E402
from pipeline_framework.testing.source_contract import SourceContract  # noqa: E402
from pipeline_framework.testing.stage_contract import StageContract  # noqa: E402
from pipeline_framework.testing.target_contract import TargetContract  # noqa: E402
from pipeline_framework.testing.write_contract import WriteContract  # noqa: E402

__all__ = [
    "FenceContract",
    "ScopeContract",
    "SourceContract",
    "StageContract",
    "TargetContract",
    "WriteContract",
    "killed",
]

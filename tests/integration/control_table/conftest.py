"""What the tests of moves begin with."""

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record
from tests.integration.control_table.stories import (
    add_hours,
    claim,
)


@pytest.fixture
def record(control: Database, key: PipelineKey) -> Record:
    """A window that the run holds."""
    add_hours(control, key, 2, max_attempts=2)
    return claim(control, key)

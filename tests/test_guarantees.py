"""The tests that docs/guarantees.md names are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs/guarantees.md").read_text())


@pytest.mark.parametrize(("file", "test"), NAMED, ids=["::".join(both) for both in NAMED])
def test_named_test_exists(file: str, test: str) -> None:
    """Whoever renames a test that a guarantee stands on renames it there."""
    assert f"def {test}(" in (ROOT / "tests/integration/control_table" / file).read_text()


def test_every_exclusion_names_a_test() -> None:
    """No line of the table of what cannot happen stands on its word alone."""
    text = (ROOT / "docs/guarantees.md").read_text().partition("## What cannot happen")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    assert len(lines) > 12
    assert [line for line in lines[1:] if "::test_" not in line] == []

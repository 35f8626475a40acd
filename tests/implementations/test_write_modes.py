"""Which keys a write mode asks for, and which it does not know."""

from typing import Any

import pytest

from implementations.loading.write_modes import Write
from pipeline_framework.errors import Misuse


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"mode": "upsert"}, "needs `write.key`"),
        ({"mode": "upsert_only"}, "needs `write.key`"),
        ({"mode": "append", "key": ["id"]}, "knows no `key`"),
        ({"mode": "replace_window", "version_by": "at"}, "knows no `key` and no `version_by`"),
        ({"mode": "append_delete", "key": ["id"]}, "needs `deleted_by`"),
        ({"mode": "append_delete", "key": ["id"], "deleted_by": "x", "deletes": "soft"}, "changes no row"),
        ({"mode": "upsert_only", "key": ["id"], "deleted_by": "x"}, "deletes no rows"),
        ({"mode": "append", "deleted_by": "x"}, "deletes no rows"),
    ],
)
def test_keys_that_do_not_go_together_are_told(written: Any, words: str) -> None:
    """In one sentence, when the configuration is read."""
    with pytest.raises(Misuse, match=words):
        Write(**written)


@pytest.mark.parametrize(
    ("written", "merges", "buries"),
    [
        ({}, False, False),
        ({"mode": "append"}, False, False),
        ({"mode": "upsert", "key": ["id"]}, True, False),
        ({"mode": "upsert", "key": ["id"], "deleted_by": "x"}, True, True),
        ({"mode": "upsert", "key": ["id"], "deleted_by": "x", "deletes": "soft"}, True, False),
        ({"mode": "append_delete", "key": ["id"], "deleted_by": "x"}, True, True),
    ],
)
def test_a_mode_says_whether_rows_meet_and_leave_graves(written: Any, merges: bool, buries: bool) -> None:
    """Rows meet by key; graves are of rows that deletions take out."""
    write = Write(**written)
    assert (write.merges, write.buries) == (merges, buries)

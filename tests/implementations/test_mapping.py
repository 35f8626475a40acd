"""Mappings of several indices as one, without a server."""

from typing import Any

import pytest

from implementations._search.mapping import properties_of
from pipeline_framework.errors import Misuse


def indices(**kinds: str) -> dict[str, Any]:
    """What is answered of indices whose object `o` has a field `x` of such a type each."""
    return {
        index: {"mappings": {"properties": {"o": {"properties": {"x": {"type": kind}}}}}}
        for index, kind in kinds.items()
    }


def test_a_field_inside_of_an_object_that_indices_disagree_on_is_refused_by_its_path() -> None:
    """Not one of another object with the same name."""
    with pytest.raises(Misuse, match=r"Field o\.x is double in index b and long in another: .*columns\.o\.x"):
        properties_of(indices(a="long", b="double"), "index some", {"x"})


def test_one_that_is_declared_may_differ() -> None:
    """By its path; the first index's type stands, which nobody uses."""
    united = properties_of(indices(a="long", b="double"), "index some", {"o.x"})
    assert united == {"o": {"properties": {"x": {"type": "long"}}}}

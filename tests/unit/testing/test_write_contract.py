"""What a target's test gets by inheriting the contract of write modes."""

from pipeline_framework.testing import WriteContract
from pipeline_framework.testing.null_contract import NullContract
from pipeline_framework.testing.overwrite_contract import OverwriteContract


def test_it_brings_the_tests_of_null_and_of_overwriting() -> None:
    """Every one of them, under names that none of its own takes."""
    for part in (NullContract, OverwriteContract):
        tests = {name: test for name, test in vars(part).items() if name.startswith("test_")}
        assert tests
        assert {name: getattr(WriteContract, name) for name in tests} == tests

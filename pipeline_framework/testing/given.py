"""What a contract leaves to the test that inherits it."""

from typing import NoReturn

import pytest


def to_be_given(test: object, name: str) -> NoReturn:
    """Fail, in one sentence: pytest would pass over an abstract class without a word."""
    contract = next(each for each in type(test).__mro__ if name in vars(each))
    said = f"{type(test).__name__} inherits {contract.__name__} and has to give `{name}`"
    pytest.fail(f"{said}: the contract's docstring says what it is.", pytrace=False)

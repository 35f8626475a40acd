"""What a database says, as an error of the framework in one sentence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_framework.errors import PipelineError


@dataclass(frozen=True, slots=True)
class Fault:
    """What a text means: the error, and the sentence behind the name of the target.

    `{0}`, `{1}`, … are the groups of the pattern and `{text}` is the whole text.
    """

    pattern: str
    kind: type[PipelineError]
    sentence: str


def told(text: str, where: str, faults: Sequence[Fault], otherwise: type[PipelineError]) -> PipelineError:
    """The error of the first fault that the text matches, else of the kind `otherwise` with the text."""
    for fault in faults:
        if found := re.search(fault.pattern, text):
            return fault.kind(f"{where} {fault.sentence.format(*found.groups(), text=text)}")
    return otherwise(f"{where}: {text}")

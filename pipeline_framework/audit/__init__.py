"""Pure judgement: numbers in, verdict and words out. Knows no system and no database."""

from pipeline_framework.audit.counts import Counts
from pipeline_framework.audit.verdict import Verdict, judge

__all__ = ["Counts", "Verdict", "judge"]

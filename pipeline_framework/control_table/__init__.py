"""The control table: the only writer of `pipeline_records`, as functions on a `Database`."""

from pipeline_framework.control_table.database import Database
from pipeline_framework.control_table.record import Holder, PipelineKey, Record

__all__ = ["Database", "Holder", "PipelineKey", "Record"]

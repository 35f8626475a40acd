"""What moves one window: streamed parts, or a module of six functions."""

from pipeline_framework.transfers.functions import FunctionsTransfer
from pipeline_framework.transfers.streamed import StreamedTransfer

__all__ = ["FunctionsTransfer", "StreamedTransfer"]

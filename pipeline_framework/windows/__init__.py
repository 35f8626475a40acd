"""Pure time: windows, the grids that cut them, what is covered and what is missing. UTC throughout."""

from pipeline_framework.windows.coverage import holes, missing, overlaps
from pipeline_framework.windows.granularity import Granularity
from pipeline_framework.windows.grid import CalendarGrid, FixedGrid, Grid, zone_named
from pipeline_framework.windows.history import GridHistory
from pipeline_framework.windows.template import render
from pipeline_framework.windows.watermark import TimeBack
from pipeline_framework.windows.window import Window, instant_text

__all__ = [
    "CalendarGrid",
    "FixedGrid",
    "Granularity",
    "Grid",
    "GridHistory",
    "TimeBack",
    "Window",
    "holes",
    "instant_text",
    "missing",
    "overlaps",
    "render",
    "zone_named",
]

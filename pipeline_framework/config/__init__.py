"""One pipeline file, read with its lines, expanded, checked as a whole: `load_final_config`."""

from pipeline_framework.config.final import FinalConfig, load_final_config, shown
from pipeline_framework.config.schema import json_schema

__all__ = ["FinalConfig", "json_schema", "load_final_config", "shown"]

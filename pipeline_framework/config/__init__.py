"""One pipeline file, read with its lines, expanded, checked as a whole: `load_final_config`."""

from pipeline_framework.config.final import FinalConfig, json_schema, load_final_config, shown

__all__ = ["FinalConfig", "json_schema", "load_final_config", "shown"]

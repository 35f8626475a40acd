"""The keys as a JSON Schema, by which editors complete and check a pipeline file."""

from typing import Any

from pipeline_framework.config.models import Keys

VARIABLE = {"type": "string", "pattern": r"\$\{\w+(:-[^}]*)?\}"}
_NO_TEXT = ("boolean", "integer", "number")
_ABOUT = ("title", "description", "default")


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a pipeline file: every key described, `${NAME}` allowed for any value."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema = Keys.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        model["properties"] = {name: _or_variable(each) for name, each in model["properties"].items()}
    return {**dialect, **schema, "title": "Pipeline"}


def _or_variable(described: dict[str, Any]) -> dict[str, Any]:
    if described.get("type") not in _NO_TEXT and "enum" not in described:
        return described
    about = {name: part for name, part in described.items() if name in _ABOUT}
    rule = {name: part for name, part in described.items() if name not in _ABOUT}
    return {**about, "anyOf": [rule, VARIABLE]}

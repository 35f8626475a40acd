"""The types of the keys: what a value may be, and how the JSON Schema tells it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from pipeline_framework.config import rules

Name = Annotated[str, AfterValidator(rules.name)]
OptionalName = Annotated[str, AfterValidator(lambda text: text and rules.name(text))]
DagId = Annotated[str, AfterValidator(rules.dag_id)]
Time = Annotated[
    datetime,
    BeforeValidator(rules.time),
    WithJsonSchema({"type": "string", "pattern": r"^(\d{4}-\d\d-\d\d|.*\$\{)"}),
]
Whole = Annotated[int, BeforeValidator(rules.no_boolean)]
Seconds = Annotated[float, BeforeValidator(rules.no_boolean), Field(allow_inf_nan=False)]
WeekDay = Annotated[
    int,
    BeforeValidator(rules.week_day),
    WithJsonSchema(
        {"anyOf": [{"enum": list(rules.WEEKDAYS)}, {"type": "integer", "minimum": 0, "maximum": 6}]}
    ),
]
Emails = Annotated[
    tuple[Annotated[str, AfterValidator(rules.email)], ...],
    BeforeValidator(rules.listed),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]
Fields = Annotated[
    tuple[Annotated[str, AfterValidator(rules.checked_field)], ...], BeforeValidator(rules.listed)
]
KeyFunction = Annotated[str | None, AfterValidator(rules.key_function)]
MaxBadRows = Annotated[
    int | str,
    BeforeValidator(rules.max_bad_rows),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": rules.PART}]}),
]
PART = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
Part = Annotated[dict[str, Any], AfterValidator(rules.part), WithJsonSchema(PART)]
Transform = Annotated[
    dict[str, Any], AfterValidator(rules.transform), WithJsonSchema({"type": "object", "minProperties": 1})
]

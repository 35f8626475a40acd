"""pydantic's errors as mistakes in one sentence each, with an example of what to write."""

from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pipeline_framework.config.mistakes import Key, Mistake, unknown_key

_EXPECTED = {
    "string": "Must be text",
    "int": "Must be a whole number",
    "float": "Must be a number",
    "bool": "Must be true or false",
    "tuple": "Must be a list",
    "list": "Must be a list",
    "dict": "Must be a mapping of keys to values",
    "model": "Must be a mapping of keys to values",
    "dataclass": "Must be a mapping of keys to values",
    "mapping": "Must be a mapping of keys to values",
    "date": "Must be a date",
    "datetime": "Must be a time",
}
_LIMITS = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
}


def mistakes(
    error: ValidationError,
    *,
    prefix: Key = (),
    example: Callable[[Key], str] = lambda _: "",
    known: Callable[[Key], Sequence[str]] = lambda _: (),
) -> Iterator[Mistake]:
    """Each error as a mistake below `prefix`; `example` and `known` tell what may stand at a key."""
    for each in error.errors(include_url=False, include_input=False):
        key = (*prefix, *each["loc"])
        if each["type"] == "default_factory_not_called":  # other keys were wrong; they are told
            continue
        if each["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
            yield unknown_key(key, known(key[:-1]))
        else:
            yield Mistake(key, _problem(each, example(key)))


def _problem(error: ErrorDetails, example: str) -> str:
    kind, context = error["type"], error.get("ctx", {})
    remedy = f" Write for example `{example}`." if example else ""
    if kind == "value_error":
        return str(context["error"])
    if kind in ("missing", "missing_argument"):
        return f"Is missing.{remedy}"
    if kind in _LIMITS:
        return f"Must be {_LIMITS[kind].format(**context)}.{remedy}"
    if kind in ("literal_error", "enum"):
        return f"Must be {context['expected']}."
    return f"{_expected(kind, error)}.{remedy}"


def _expected(kind: str, error: ErrorDetails) -> str:
    if kind == "string_too_short":
        return "Must not be empty"
    if kind == "string_type":
        return "Must be text (put it in quotes)"
    return _EXPECTED.get(kind.partition("_")[0], error["msg"])


def field_at(model: type[BaseModel], key: Key) -> FieldInfo | None:
    """The field of a model, or of a model inside it, that `key` leads to."""
    names = [part for part in key if isinstance(part, str)]
    field = model.model_fields.get(names[0]) if names else None
    inner = model_of(field)
    return field_at(inner, tuple(names[1:])) if inner and len(names) > 1 else field


def model_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """The model that a field holds, if it holds one."""
    kind = field.annotation if field else None
    kinds = (kind, *get_args(kind))
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)

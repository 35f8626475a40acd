"""The page docs/reference/configuration.md, made of the keys' descriptions.

`python -m pipeline_framework.config.reference > docs/reference/configuration.md` writes it.
"""

import sys
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_framework.config.models import Keys
from pipeline_framework.config.translation import model_of
from pipeline_framework.config.yaml_text import written

_LIMITS = {"gt": "Above", "ge": "From", "le": "to"}

HEAD = """# Configuration

One file per pipeline: YAML, JSON or TOML, the same keys in each. An unknown key, a key written twice or a
value of the wrong kind is an error that names file, line and key. All mistakes are told at once.

- `${NAME}` is replaced from the environment, `${NAME:-default}` has a default, `$$` is a dollar sign.
- Passwords belong into the environment. Values of keys like `password`, `token` or `api_key`, values of
  variables named like that, and passwords inside addresses are hidden wherever a configuration is shown.
- A relative path never depends on the working directory: what is read is looked for beside the file, what is
  written goes into `PIPELINE_STATE_DIR`, or beside the file where that is not set.
- The keys of a source, stage or target are those of its system, neither on this page nor in the JSON Schema:
  `pipeline init --source X --stage Y --target Z` writes a file that lists them with their meaning.

This page is written by `python -m pipeline_framework.config.reference`.
"""


def page() -> str:
    """The reference page as Markdown."""
    return "\n".join([HEAD, "| key | default | meaning |", "|---|---|---|", *_rows(Keys)]) + "\n"


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    fields = model.model_fields
    kinds = {model_of(field) for field in fields.values()}
    if len(fields) > 1 and len(kinds) == 1 and None not in kinds:  # seven tasks with the same keys
        return {"<task>": next(iter(fields.values()))}
    return fields


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in _fields(model).items():
        inner = model_of(field)
        if inner:
            yield from _rows(inner, f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | {_default(field)} | {_meaning(field)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    empty = field.default_factory or field.default in (None, "", ()) or field.default == {}
    return "" if empty else f"`{written(field.default)}`"


def _meaning(field: FieldInfo) -> str:
    limits = " ".join(
        f"{word} {getattr(each, name):g}"
        for each in field.metadata
        for name, word in _LIMITS.items()
        if hasattr(each, name)
    )
    example = f"Example: `{written(field.examples[0])}`." if field.examples else ""
    sentences = (field.description, limits and f"{limits}.", example)
    return " ".join(filter(None, sentences)).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())

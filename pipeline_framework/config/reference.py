"""The keys as a JSON Schema for editors, and as the page docs/reference/configuration.md.

`python -m pipeline_framework.config.reference > docs/reference/configuration.md` writes the page.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline_framework.config.models import Keys
from pipeline_framework.config.translation import model_of

HEAD = """# Configuration

One file per pipeline: YAML, JSON or TOML, the same keys in each. An unknown key, a key written twice or a
value of the wrong kind is an error that names file, line and key. All mistakes are told at once.

- `${NAME}` is replaced from the environment, `${NAME:-default}` has a default, `$$` is a dollar sign.
- Passwords belong into the environment. Values of keys like `password`, `token` or `api_key`, values of variables
  named like that, and passwords inside addresses are hidden wherever a configuration is shown.
- A relative path never depends on the working directory: what is read is looked for beside the file, what is
  written goes into `PIPELINE_STATE_DIR`, or beside the file where that is not set.
- The keys of a source, stage or target are those of its system.

This page is written by `python -m pipeline_framework.config.reference`.
"""


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a pipeline file, with a description of every key."""
    schema = Keys.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Pipeline"}


def page() -> str:
    """The reference page as Markdown."""
    return "\n".join([HEAD, "| key | default | meaning |", "|---|---|---|", *_rows(Keys)]) + "\n"


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = model_of(field)
        if inner:
            yield from _rows(inner, f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | {_default(field)} | {_meaning(field)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    return (
        "" if value in (None, "", ()) or field.default_factory else f"`{json.dumps(value)}`".replace('"', "")
    )


def _meaning(field: FieldInfo) -> str:
    limits = [
        f"{word} {getattr(each, attribute):g}"
        for each in field.metadata
        for attribute, word in _LIMITS.items()
        if hasattr(each, attribute)
    ]
    example = f" Example: `{json.dumps(field.examples[0])}`.".replace("\\", "") if field.examples else ""
    return f"{field.description}{f' From {chr(32).join(limits)}.' if limits else ''}{example}".replace(
        "|", "\\|"
    )


_LIMITS = {"gt": "above", "ge": "", "le": "to"}

if __name__ == "__main__":
    sys.stdout.write(page())

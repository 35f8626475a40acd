"""Templates of keys and paths: `{window_start:%Y/%m/%d}/{pipeline_id}`."""

from collections.abc import Iterator, Mapping
from string import Formatter


def render(template: str, values: Mapping[str, object]) -> str:
    """`template` with every `{name}` or `{name:format}` replaced; `{{` and `}}` stand for braces.

    Names only: no attributes, indexes or conversions. Raises `ValueError` for an unknown name (with
    the known ones), a format the value does not take, and unbalanced braces.
    """
    try:
        return "".join(_rendered(template, values))
    except (TypeError, ValueError) as error:
        raise ValueError(f"The template '{template}' cannot be filled in: {error}.") from error


def _rendered(template: str, values: Mapping[str, object]) -> Iterator[str]:
    for text, name, layout, conversion in Formatter().parse(template):
        yield text
        if name is None:
            continue
        if conversion:
            raise ValueError(f"'!{conversion}' is not supported")
        if name not in values:
            raise ValueError(f"it has no value '{name}'; known are {', '.join(sorted(values))}")
        yield format(values[name], layout or "")

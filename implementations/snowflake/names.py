"""Names: plain ones are upper case, as Snowflake has them without quotes; any other is as it is written."""

import re

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_EXACT = re.compile(r'"(?:[^"]|"")*"')


def quoted(name: str) -> str:
    """The name in a statement; one that is in double quotes already stays so."""
    if _EXACT.fullmatch(name):
        return name
    return exact(name.upper() if _PLAIN.fullmatch(name) else name)


def exact(name: str) -> str:
    """The name in a statement, letter by letter."""
    return '"' + name.replace('"', '""') + '"'


def stored(name: str) -> str:
    """The name as Snowflake's own lists show it."""
    return quoted(name)[1:-1].replace('""', '"')


def written(name: str) -> str:
    """A name of Snowflake's own lists, as `quoted` takes it."""
    plain = name.lower()
    return next((each for each in (plain, name) if quoted(each) == exact(name)), exact(name))


def same(one: str, other: str) -> bool:
    """Whether two names are one to a person: case does not count."""
    return stored(one).lower() == stored(other).lower()


def parts(name: str) -> list[str]:
    """The parts of `database.schema.name`, each in quotes; an @ before a stage's name is left out."""
    return [quoted(part) for part in re.findall(r'"(?:[^"]|"")*"|[^.]+', name.removeprefix("@"))]

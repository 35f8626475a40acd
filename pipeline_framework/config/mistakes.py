"""What is wrong with a configuration: one sentence each, with file, line, key and remedy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from pipeline_framework.errors import Misuse

Key = tuple[str | int, ...]  # ("control", "url"), ("email_list", 2)


@dataclass(frozen=True, slots=True)
class Mistake:
    """`problem` is a full sentence (or two) about `key`, without the place."""

    key: Key
    problem: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where each key stands: the file's name as the user wrote it, and lines from 1.

    `blots` holds secrets, and what `${NAME}` became, each with what an error shows instead.
    """

    file: str = "configuration"
    lines: Mapping[Key, int] = field(default_factory=dict)
    blots: Mapping[str, str] = field(default_factory=dict, repr=False)

    def line(self, key: Key) -> int | None:
        """The line of `key`, or of the nearest key around it."""
        around = (key[:length] for length in range(len(key), 0, -1))
        return next((self.lines[part] for part in around if part in self.lines), None)

    def sentence(self, mistake: Mistake) -> str:
        """`pipeline.yml:3: granularity: ...`, without secrets."""
        line = self.line(mistake.key)
        where = self.file if line is None else f"{self.file}:{line}"
        parts = (where, dotted(mistake.key), self._scrubbed(mistake.problem))
        return _on_one_line(": ".join(part for part in parts if part))

    def misuse(self, mistakes: Iterable[Mistake]) -> Misuse:
        """One error that tells all mistakes, in the order of the file, one per line."""
        ordered = sorted(mistakes, key=lambda each: self.line(each.key) or 0)
        return Misuse("\n".join(dict.fromkeys(map(self.sentence, ordered))))

    def _scrubbed(self, text: str) -> str:
        for value in sorted(self.blots, key=len, reverse=True):
            text = text.replace(value, self.blots[value])
        return text


def _on_one_line(text: str) -> str:
    """Characters that end a line or cannot be seen, as they may stand in a value, by their escapes."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def dotted(key: Key) -> str:
    """`email_list[2]`, `control.url`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return "".join(parts).removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: a misspelling, another case, `-` for `_`."""
    folded = {_folded(each): each for each in sorted(known)}
    found = get_close_matches(_folded(word), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")


def suggestion(word: str, known: Sequence[str]) -> str:
    """`Did you mean 'x'?`, or all that is known when nothing is near."""
    found = nearest(word, known)
    return f"Did you mean {found!r}?" if found else f"Known: {', '.join(known) or 'none'}."


def unknown_key(key: Key, known: Sequence[str]) -> Mistake:
    """A key that nobody reads is an error: it would be ignored in silence otherwise."""
    return Mistake(key, f"Unknown key. {suggestion(str(key[-1]), known)}")

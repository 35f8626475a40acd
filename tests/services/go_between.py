"""A fake of trouble: what stands between a client and a real server, and changes single answers on their way.

Everything else passes through unchanged, so that what is not in trouble is real.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import msgspec

from tests.services.loopback import Handler, served

_OWN = {"content-length", "transfer-encoding", "connection", "content-encoding"}  # said anew


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as it goes; `cut` ends the connection after so many bytes of it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None

    def told(self, **changes: Any) -> "Answered":
        """The same with other values at the top of its JSON."""
        return replace(self, body=msgspec.json.encode({**msgspec.json.decode(self.body), **changes}))


Before = Callable[[Asked], Asked | Answered]
After = Callable[[Asked, Answered], Answered]


@dataclass
class GoBetween:
    """The address to ask instead of the server's, what was asked there, and the two ways to interfere."""

    server: str
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    before: Before = lambda asked: asked
    after: After = lambda _, answered: answered

    def searches(self) -> list[Any]:
        """The bodies of the pages that were asked for, in order."""
        return [each.json for each in self.asked if each.path.startswith("/_search?")]

    def passed(self, asked: Asked, headers: dict[str, str]) -> Answered:
        """What the real server answers, or trouble in its place."""
        self.asked.append(asked)
        sent = self.before(asked)
        if isinstance(sent, Answered):
            return sent
        own = {name: value for name, value in headers.items() if name.lower() not in _OWN | {"host"}}
        answer = httpx.request(
            sent.method, self.server + sent.path, content=sent.body, headers=own, timeout=60
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN}
        return self.after(asked, Answered(answer.status_code, answer.content, kept))


@contextmanager
def go_between(server: str) -> Iterator[GoBetween]:
    """One in front of `server`, on a free loopback port."""
    between = GoBetween(server)

    class Between(Handler):
        def answer(self) -> None:
            given = between.passed(Asked(self.command, self.path, self.body()), dict(self.headers))
            headers = {"x-elastic-product": "Elasticsearch", **given.headers}
            self.say(given.status, headers, len(given.body))
            self.wfile.write(given.body[: given.cut])
            self.close_connection = given.cut is not None

    with served(Between) as between.url:
        yield between

"""A fake of trouble: what stands between a client and a real server, and changes single answers on their way.

Everything else passes through unchanged, so that what is not in trouble is real.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import msgspec

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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = between.passed(Asked(self.command, self.path, body), dict(self.headers))
            self.send_response(given.status)
            for name, value in {"x-elastic-product": "Elasticsearch", **given.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body[: given.cut])
            self.close_connection = given.cut is not None

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 - as http.server wants it

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    between.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield between
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()

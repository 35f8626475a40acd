"""HTTP servers in the process of the tests, on a free loopback port."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler, ABC):
    """To be inherited: `answer` answers one request; connections are kept, nothing is logged."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        """What came with the request."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(self, status: int, headers: dict[str, str], length: int) -> None:
        """The beginning of an answer of so many bytes."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    @abstractmethod
    def answer(self) -> None:
        """Look at the request, and `say` what the answer is before its bytes are written."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815


@contextmanager
def served(handler: type[Handler]) -> Iterator[str]:
    """The address of a server, which ends with the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A TCP proxy between client and PostgreSQL that can lose the server's replies, or go silent."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Passes bytes on; the replies to the next `cut_commits` COMMITs do not reach the client."""

    def __init__(self, server: tuple[str, int], port: int = 0) -> None:
        self.server = server
        self.cut_commits = 0
        self.cuts = 0
        self.late = 0.0  # seconds after the cut until the server gets such a COMMIT
        self.cut_at = 0  # messages of clients until the connection breaks; 0 never
        self.delivered = False  # whether that message reaches the server
        self.down = False  # turns new connections away
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.down:
                    client.close()
                    continue
                pair = (client, socket.create_connection(self.server))
                self._pairs.append(pair)
                for function in (self._upstream, self._downstream):
                    threading.Thread(target=function, args=pair, daemon=True).start()

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._breaks_now():
                    if self.delivered:
                        self._close(client)
                        server.sendall(data)
                        server.recv(65536)
                    break
                cut = b"COMMIT\x00" in data and self.cut_commits > 0
                if cut:
                    self.cut_commits -= 1
                    self.cuts += 1
                    self._close(client)
                    time.sleep(self.late)
                    server.sendall(data)
                    server.recv(65536)
                    break
                server.sendall(data)
        self._close(client, server)

    def cut_after(self, messages: int, *, delivered: bool) -> None:
        """Break the connection at that message of a client, counted from now."""
        self.cut_at, self.delivered = messages, delivered

    def _breaks_now(self) -> bool:
        if self.cut_at == 0:
            return False
        self.cut_at -= 1
        return self.cut_at == 0

    def _downstream(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        self._close(client, server)

    def url(self, url: str) -> str:
        """The way to the database of `url` through this proxy."""
        parts = urlsplit(url)
        place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"
        return urlunsplit((parts.scheme, place, parts.path, "", ""))

    def drop_all(self) -> None:
        """Cut every connection, as a restart of the server does."""
        for pair in self._pairs:
            self._close(*pair)

    def _close(self, *ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self.drop_all()
        self._close(self.listener)


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of the database of `url`, and the URL through it."""
    parts = urlsplit(url)
    proxy = Proxy((str(parts.hostname), parts.port or 5432))
    try:
        yield proxy, proxy.url(url)
    finally:
        proxy.close()

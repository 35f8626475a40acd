"""A fake of Google Cloud Storage: its XML API as far as a stage speaks it, in memory, on loopback.

No emulator that could be had speaks it. The rules are Google's words (docs.cloud.google.com/storage):
xml-api/put-object, get-object-download, delete-object, get-bucket-list in version 2, and
docs/request-preconditions: `x-goog-if-generation-match: 0` succeeds only where there is no live object, and
the answer is 412 else. An upload is whole or not at all, and seen by every request and listing after it
(docs/consistency). What only a real bucket can show is in docs/guarantees.md.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from tests.services.loopback import Handler, served

TOKEN = "of the fake alone"
Answer = tuple[int, dict[str, str], bytes]
PAGE = 1000  # objects of a listing at most


@dataclass
class FakeGcs:
    """The fake at an address; `buckets` hold what was put there."""

    url: str = ""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, verb: str, target: str, headers: Any, body: bytes) -> Answer:
        """Status, headers and body."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query, keep_blank_values=True)
        bucket, _, key = unquote(path).removeprefix("/").partition("/")
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return refused(401, "AuthenticationRequired")
        with self.turn:
            objects = self.buckets.get(bucket)
            if objects is None:
                return refused(404, "NoSuchBucket")
            if not key:
                return 200, {"Content-Type": "application/xml"}, listing(objects, query)
            return asked(objects, verb, key, headers, body)


def asked(objects: dict[str, bytes], verb: str, key: str, headers: Any, body: bytes) -> Answer:
    """A request for one object."""
    if verb == "PUT":
        if headers.get("x-goog-if-generation-match") == "0" and key in objects:
            return refused(412, "PreconditionFailed")
        objects[key] = body
        return 200, told(body), b""
    if key not in objects:
        return refused(404, "NoSuchKey")
    if verb == "DELETE":
        del objects[key]
        return 204, {}, b""
    return 200, told(objects[key]), objects[key]


def listing(objects: dict[str, bytes], query: dict[str, list[str]]) -> bytes:
    """A page of what begins with a prefix; what goes on behind the delimiter is told of by its beginning."""
    wanted = {name: values[0] for name, values in query.items()}
    prefix, delimiter = wanted.get("prefix", ""), wanted.get("delimiter", "")
    behind = wanted.get("continuation-token") or wanted.get("start-after", "")
    names: dict[str, bytes | None] = {}
    for key in sorted(key for key in objects if key.startswith(prefix)):
        head, cut, _ = key.removeprefix(prefix).partition(delimiter) if delimiter else (key, "", "")
        names |= {prefix + head + cut: None} if cut else {key: objects[key]}
    page = [name for name in names if name > behind][:PAGE]
    more = bool(page) and page[-1] != list(names)[-1]
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    lines = "".join(entry(name, names[name]) for name in page)
    truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    return f"<ListBucketResult>{truncated}{token}{lines}</ListBucketResult>".encode()


def entry(name: str, body: bytes | None) -> str:
    """An object of a listing, or a folder."""
    if body is None:
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
    facts = f"<Size>{len(body)}</Size><LastModified>2013-11-03T05:00:00.000Z</LastModified>"
    etag = told(body)["ETag"]
    return f"<Contents><Key>{escape(name)}</Key>{facts}<ETag>{etag}</ETag></Contents>"


def told(body: bytes) -> dict[str, str]:
    """The headers of an object."""
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return {"ETag": f'"{etag}"', "Last-Modified": formatdate(usegmt=True), "x-goog-generation": "1"}


def refused(status: int, code: str) -> Answer:
    """An error as Google words it."""
    return status, {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code></Error>".encode()


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[FakeGcs]:
    """One for all tests; it ends with them, as it lives in their process."""
    fake = FakeGcs()

    class FakeGoogle(Handler):
        def answer(self) -> None:
            status, headers, answer = fake.answered(self.command, self.path, self.headers, self.body())
            self.say(status, headers, len(answer))
            self.wfile.write(b"" if self.command == "HEAD" else answer)

    with served(FakeGoogle) as fake.url:
        yield fake

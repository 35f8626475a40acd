"""What tests see of the fake and how they steer it."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


@dataclass
class Answer:
    """What is answered in the place of a statement that the pattern matches, so many times.

    `code` is that of an error, and `message` as the real Snowflake words it. Without a code `message` is
    `pass` (the statement is not touched), `lost before` (it is not done, and its session gets no reply any
    more) or `lost after` (it is done, but the same).
    """

    pattern: str
    message: str
    code: str = ""
    sqlstate: str = ""
    times: int = 1


answers: list[Answer] = []
sent: list[dict[str, Any]] = []
public_keys: list[str] = []
facts: dict[str, list[str | None]] = {}  # database, schema and warehouse of a session


def answer_to(statement: str) -> Answer | None:
    """The answer that a test prepared for a statement; used up by it."""
    for answer in answers:
        if answer.times and re.search(answer.pattern, statement, re.IGNORECASE | re.DOTALL):
            answer.times -= 1
            return answer
    return None


async def prepare(request: Request) -> JSONResponse:
    """Take answers; an empty list takes them all back."""
    answers[:] = [Answer(**each) for each in await request.json()]
    return JSONResponse([asdict(answer) for answer in answers])


async def tell(request: Request) -> JSONResponse:
    """Every login and statement since the last time."""
    told = list(sent)
    sent.clear()
    return JSONResponse(told)


async def trust(request: Request) -> JSONResponse:
    """The public keys, in PEM, that users sign in with."""
    public_keys[:] = await request.json()
    return JSONResponse(len(public_keys))


ROUTES = [
    Route("/fake/answers", prepare, methods=["POST"]),
    Route("/fake/sent", tell, methods=["POST"]),
    Route("/fake/keys", trust, methods=["POST"]),
]

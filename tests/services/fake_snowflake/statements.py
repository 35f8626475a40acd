"""Statements on their way to fakesnow: noted, answered where it cannot, and its transactions named."""

import gzip
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fakesnow.server as fake
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.services.fake_snowflake import control

Rows = list[list[Any]]


@dataclass(frozen=True)
class Transaction:
    """One that a session began by name."""

    id: int
    name: str
    token: str


running: dict[str, Transaction] = {}
lost: set[str] = set()


async def query(request: Request) -> Response:
    """The query request of fakesnow."""
    token = fake.to_token(request)
    if token in lost:
        return Response(status_code=502)
    body = await request.body()
    asked = json.loads(gzip.decompress(body) if "gzip" in str(request.headers) else body)
    statement = asked["sqlText"]
    control.sent.append({"statement": statement, "bindings": asked.get("bindings")})
    answer = control.answer_to(statement)
    if answer and answer.message == "lost before":
        return _lost(token)
    if answer and answer.code:
        return _error(answer.code, answer.sqlstate, answer.message)
    if lacking := _lacking(token, statement):
        return _error(
            "002003", "42S02", f"SQL compilation error:\n{lacking} does not exist or not authorized."
        )
    for pattern, own in OWN.items():
        if found := re.fullmatch(pattern, statement, re.IGNORECASE):
            columns, rows = own(token, *found.groups())
            return _table(columns, rows)
    done = await _passed_on(request, token, asked)
    return _lost(token) if answer and answer.message == "lost after" else done


def _lost(token: str) -> Response:
    """No reply, now or to any later request of the session; its transaction stays as it is."""
    lost.add(token)
    return Response(status_code=502)


def _lacking(token: str, statement: str) -> str:
    """The table that is not there, asked for before: DuckDB ends a transaction in which a statement fails."""
    found = re.fullmatch(r'DESCRIBE TABLE "(.*)"\."(.*)"', statement)
    if not found:
        return ""
    schema, name = (part.replace('""', '"') for part in found.groups())
    session = fake.sessions[token]
    sought = "FROM duckdb_tables() WHERE database_name IN (?, 'temp') AND table_name = ?"
    rows = session._duck_conn.execute(f"SELECT 1 {sought}", [session.database, name]).fetchall()
    return "" if rows else f"Table '{session.database}.{schema}.{name}'"


async def leave(request: Request) -> Response:
    """The end of a session, whose transaction ends with it; of a lost one nothing is heard."""
    token = fake.to_token(request)
    if token in lost:
        return Response(status_code=502)
    running.pop(token, None)
    answer: Response = await fake.session(request)
    return answer


async def _passed_on(request: Request, token: str, asked: dict[str, Any]) -> Response:
    asked["sqlText"] = asked["sqlText"].replace("TEMPORARY TABLE", "TABLE")  # DuckDB's are in no schema
    name = re.fullmatch(r"BEGIN NAME (\S+)", asked["sqlText"])
    if name:
        asked["sqlText"] = "BEGIN"
    request._body = gzip.compress(json.dumps(asked).encode())
    request.scope["headers"] = [(b"content-encoding", b"gzip"), *request.scope["headers"]]
    answer: Response = await fake.query_request(request)
    if name:
        running[token] = Transaction(time.time_ns() // 1000, name[1].upper(), token)
    elif not fake.sessions[token]._in_transaction:
        running.pop(token, None)
    return answer


def _current(token: str) -> tuple[list[str], Rows]:
    return ["CURRENT_TRANSACTION()"], [[str(running[token].id) if token in running else None]]


def _shown(token: str) -> tuple[list[str], Rows]:
    columns = ["id", "user", "session", "name", "started_on", "state", "scope"]
    return columns, [
        [str(each.id), "TESTS", "1", each.name, "0", "running", "0"] for each in running.values()
    ]


def _abort(token: str, number: str) -> tuple[list[str], Rows]:
    for each in [each for each in running.values() if each.id == int(number)]:
        session = fake.sessions[each.token]
        session._duck_conn.rollback()
        session._in_transaction = False
        running.pop(each.token)
    return ["SYSTEM$ABORT_TRANSACTION"], [[f"Aborted transaction id: {number}"]]


def _facts(token: str) -> tuple[list[str], Rows]:
    return ["database", "schema", "warehouse"], [control.facts[token]]


def _session(token: str) -> tuple[list[str], Rows]:
    return ["status"], [["Statement executed successfully."]]


OWN: dict[str, Callable[..., tuple[list[str], Rows]]] = {
    r"SELECT CURRENT_TRANSACTION\(\)": _current,
    r"SELECT CURRENT_DATABASE\(\), CURRENT_SCHEMA\(\), CURRENT_WAREHOUSE\(\)": _facts,
    r"SHOW TRANSACTIONS": _shown,
    r"SELECT SYSTEM\$ABORT_TRANSACTION\((\d+)\)": _abort,
    r"ALTER SESSION .*": _session,
}


def _table(columns: list[str], rows: Rows) -> JSONResponse:
    described = [
        {
            "name": name,
            "type": "text",
            "nullable": True,
            "length": 999,
            "byteLength": 999,
            "precision": None,
            "scale": None,
            "database": "",
            "schema": "",
            "table": "",
            "collation": None,
        }
        for name in columns
    ]
    data = {"rowtype": described, "rowset": rows, "total": len(rows), "returned": len(rows)}
    more = {"queryResultFormat": "json", "queryId": "fake", "parameters": [], "statementTypeId": 4096}
    return JSONResponse({"data": data | more, "success": True})


def _error(code: str, sqlstate: str, message: str) -> JSONResponse:
    data = {"errorCode": code, "sqlState": sqlstate}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})

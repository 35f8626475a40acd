"""Who may log in to the fake: one password, one token, and the keys that a test named."""

import gzip
import json
from typing import Any

import fakesnow.server as fake
import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.services.fake_snowflake import control

PASSWORD, TOKEN, ACCOUNT = "only for tests", "a good token", "tests"
STRANGER = "stranger"  # whom a network policy keeps out
ROLES, WAREHOUSES = {"", "LOADER"}, {"LOADING"}


async def login(request: Request) -> Response:
    """The login of fakesnow, for those who may; what the session has is told as Snowflake tells it."""
    body = await request.body()
    data = json.loads(gzip.decompress(body) if "gzip" in str(request.headers) else body)["data"]
    control.sent.append({"login": data})
    asked = request.query_params
    if data["ACCOUNT_NAME"].lower() != ACCOUNT:
        return Response(status_code=404)
    if refusal := _refusal(data, asked.get("roleName", "")):
        return JSONResponse({"data": {}, "code": refusal[0], "message": refusal[1], "success": False})
    answer = json.loads(bytes((await fake.login_request(request)).body))
    session = fake.sessions[answer["data"]["token"]]
    warehouse = asked.get("warehouse", "")
    answer["data"]["sessionInfo"] = {
        "databaseName": session.database if session.database_set else None,
        "schemaName": session.schema if session.schema_set else None,
        "warehouseName": warehouse if warehouse in WAREHOUSES else None,
        "roleName": asked.get("roleName", "PUBLIC"),
    }
    control.facts[answer["data"]["token"]] = list(answer["data"]["sessionInfo"].values())[:3]
    answer["data"]["masterToken"] = answer["data"]["token"]
    return JSONResponse(answer)


def _refusal(data: dict[str, Any], role: str) -> tuple[str, str] | None:
    if data["LOGIN_NAME"] == STRANGER:
        return "390422", "Incoming request with IP/Token 127.0.0.1 is not allowed to access Snowflake."
    if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
        if not any(_signed(data["TOKEN"], key) for key in control.public_keys):
            return "390144", "JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]"
    elif data.get("AUTHENTICATOR") == "OAUTH":
        if data["TOKEN"] != TOKEN:
            return "390303", "Invalid OAuth access token. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]"
    elif data.get("PASSWORD") != PASSWORD:
        return "390100", "Incorrect username or password was specified."
    if role not in ROLES:
        return "390189", f"Role '{role}' specified in the connect string does not exist or not authorized."
    return None


def _signed(token: str, key: str) -> bool:
    try:
        return bool(jwt.decode(token, key, algorithms=["RS256"]))
    except jwt.InvalidTokenError:
        return False

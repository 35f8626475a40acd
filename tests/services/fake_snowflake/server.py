"""A fake of Snowflake for tests: fakesnow's server, made more like the real one. No Snowflake is here.

Run in an environment of its own (requirements/fake_snowflake.txt), with the port and the address of an S3
store. On top of what fakesnow does, it refuses logins, keeps BEGIN NAME, SHOW TRANSACTIONS and
SYSTEM$ABORT_TRANSACTION, and tells of two writers of one row as Snowflake tells of a lock. What it cannot
show is said in docs/guarantees.md. Tests steer it under /fake: see `control.py`.
"""

import sys

import fakesnow.server as fake
import s3fs
import uvicorn
from fakesnow.fakes import FakeSnowflakeConnection
from starlette.applications import Starlette
from starlette.routing import Route

from tests.services.fake_snowflake.control import ROUTES
from tests.services.fake_snowflake.logins import login
from tests.services.fake_snowflake.repairs import repair
from tests.services.fake_snowflake.statements import leave, query

DATABASE, SCHEMA = "TESTS", "PUBLIC"
OWN = {"/session/v1/login-request": login, "/queries/v1/query-request": query, "/session": leave}


def app(s3_url: str) -> Starlette:
    """The server, with one database, whose external stages read from that S3 store."""
    repair()
    first: FakeSnowflakeConnection = fake.shared_fs.connect(DATABASE, SCHEMA)
    fake.shared_fs.create_database_on_connect = fake.shared_fs.create_schema_on_connect = False
    store = s3fs.S3FileSystem(
        endpoint_url=s3_url, key="tests", secret="only for tests", use_listings_cache=False
    )
    first._duck_conn.register_filesystem(store)
    routes = [Route(path, endpoint, methods=["POST"]) for path, endpoint in OWN.items()]
    return Starlette(routes=[*ROUTES, *routes, *(route for route in fake.routes if route.path not in OWN)])


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")

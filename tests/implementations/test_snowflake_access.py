"""Who gets into Snowflake and by what, and the one sentence for everybody who does not."""

import json
import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import serialization as as_bytes
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from implementations.snowflake.account import Account
from implementations.snowflake.target import SnowflakeTarget
from pipeline_framework.config import connections
from pipeline_framework.errors import BadData, Misuse, PipelineError, Unavailable
from pipeline_framework.testing.truth import TIME_FIELD, WINDOW
from tests.services.processes import free_port
from tests.services.snowflake import PASSWORD, FakeSnowflake

pytestmark = pytest.mark.services
KEY = rsa.generate_private_key(65537, 2048)
PASSPHRASE = "opens it"


@pytest.fixture
def target(snowflake: FakeSnowflake) -> SnowflakeTarget:
    """A table that is not there yet."""
    return SnowflakeTarget(snowflake.url(), f"t_{secrets.token_hex(4)}", TIME_FIELD)


def pem(passphrase: str = "") -> str:
    """The private key as text."""
    closed = as_bytes.BestAvailableEncryption(passphrase.encode()) if passphrase else as_bytes.NoEncryption()
    return KEY.private_bytes(as_bytes.Encoding.PEM, as_bytes.PrivateFormat.PKCS8, closed).decode()


def public_pem() -> str:
    """What a user of Snowflake registers."""
    form = as_bytes.PublicFormat.SubjectPublicKeyInfo
    return KEY.public_key().public_bytes(as_bytes.Encoding.PEM, form).decode()


def written(folder: Path, text: str) -> str:
    """The path of a file of that text."""
    path = folder / "key.p8"
    path.write_text(text)
    return str(path)


Proof = Callable[[Path], dict[str, SecretStr]]
PROOFS: dict[str, Proof] = {
    "text": lambda _: {"private_key": SecretStr(pem())},
    "file": lambda folder: {"private_key": SecretStr(written(folder, pem()))},
    "closed": lambda _: {
        "private_key": SecretStr(pem(PASSPHRASE)),
        "private_key_passphrase": SecretStr(PASSPHRASE),
    },
    "token": lambda _: {"token": SecretStr("a good token")},
}


@pytest.mark.parametrize("proof", PROOFS)
def test_keys_and_tokens_let_in(
    snowflake: FakeSnowflake, target: SnowflakeTarget, tmp_path: Path, proof: str
) -> None:
    """Without any password: PEM text, a file, a key with a passphrase, OAuth."""
    snowflake.trust(public_pem())
    url = SecretStr(snowflake.url().get_secret_value().replace(":only%20for%20tests", ""))
    assert replace(target, url=url, **PROOFS[proof](tmp_path)).count(WINDOW) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("proof", "sentence"),
    [
        ({"private_key": pem()}, r"refuses `private_key`: register its public half"),
        ({"private_key": pem(PASSPHRASE)}, "`private_key_passphrase` does not open it"),
        ({"private_key": "/no/such/key.p8"}, r"neither PEM nor a file .*No such file"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----"}, "is no key in PEM"),
        ({"token": "an old token"}, r"refuses `token`"),
    ],
)
def test_a_wrong_proof_is_one_sentence(target: SnowflakeTarget, proof: dict[str, str], sentence: str) -> None:
    """It says which key of the configuration, and nothing of its value."""
    with pytest.raises(Misuse, match=sentence) as told:
        replace(target, **{name: SecretStr(value) for name, value in proof.items()}).check()  # type: ignore[arg-type]
    assert not [
        value
        for value in proof.values()
        if "BEGIN" not in value and "/" not in value and value in str(told.value)
    ]


WRONG: dict[str, tuple[dict[str, str], type[PipelineError], str]] = {
    "password": ({"password": "wrong"}, Misuse, "refuses user or password: correct them in `url`"),
    "account": ({"account": "nowhere"}, Misuse, "is no account of Snowflake: correct the account"),
    "database": ({"database": "NOPE"}, Misuse, "no database: correct it in `url`"),
    "schema": ({"schema": "NOPE"}, Misuse, "no schema: correct it in `url`"),
    "warehouse": ({"warehouse": "NOPE"}, Misuse, "no warehouse: correct it in `url`"),
    "role": ({"role": "NOPE"}, Misuse, "does not let this user take its role NOPE|role"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_an_address_is_one_sentence(
    snowflake: FakeSnowflake, target: SnowflakeTarget, what: str
) -> None:
    """Each names the part of `url` to correct, and the password never appears."""
    parts, kind, sentence = WRONG[what]
    with pytest.raises(kind, match=sentence) as told:
        replace(target, url=snowflake.url(**parts)).check()
    assert "\n" not in str(told.value)
    assert "wrong" not in str(told.value)
    assert PASSWORD not in str(told.value)


def test_a_host_that_does_not_answer_is_worth_another_try(
    snowflake: FakeSnowflake, target: SnowflakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with what was configured, as far as anybody knows."""
    monkeypatch.setattr("implementations.snowflake.account.LOGIN_TIMEOUT", 1)
    url = (
        snowflake.url(port="")
        .get_secret_value()
        .replace(f"port={snowflake.address[17:]}", f"port={free_port()}")
    )
    with pytest.raises(Unavailable, match="does not answer"):
        replace(target, url=SecretStr(url)).check()


SAID = {
    "rights": (
        "003001",
        "Insufficient privileges to operate on schema 'PUBLIC'",
        "may not be written by this",
    ),
    "read-only": ("003540", "Cannot perform operation on a read-only database 'TESTS'.", "is read-only"),
    "database": (
        "002003",
        "SQL compilation error:\nDatabase 'TESTS' does not exist.",
        "lacks the Database TESTS",
    ),
    "warehouse": (
        "000606",
        "No active warehouse selected in the current session.",
        "no warehouse: correct it in",
    ),
    "timeout": ("000630", "Statement reached its statement or warehouse timeout", "statement_timeout"),
}


@pytest.mark.parametrize("what", SAID)
def test_what_snowflake_refuses_is_one_sentence(
    snowflake: FakeSnowflake, target: SnowflakeTarget, what: str
) -> None:
    """In the words and codes of the real one, which the fake repeats."""
    code, message, sentence = SAID[what]
    snowflake.answer({"pattern": "TRANSIENT TABLE", "message": message, "code": code, "sqlstate": "02000"})
    with pytest.raises(PipelineError, match=sentence) as told:
        target.check()
    assert isinstance(told.value, Unavailable) == (what == "timeout")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("verb", ["DELETE", "UPDATE", "INSERT"])
def test_every_right_to_an_existing_table_is_tried(
    snowflake: FakeSnowflake, target: SnowflakeTarget, verb: str
) -> None:
    """A statement of each kind that changes no row."""
    snowflake.query(f"CREATE TABLE {target.table} ({TIME_FIELD} TIMESTAMP_LTZ(9))")
    refused = {
        "message": "Insufficient privileges to operate on table 'T'",
        "code": "003001",
        "sqlstate": "42501",
    }
    snowflake.answer({"pattern": f'^{verb}.*"{target.table.upper()}"', **refused})
    with pytest.raises(Misuse, match="may not be written"):
        target.check()
    assert "is there" in target.check()


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("happened_on TIMESTAMP_LTZ(9)", r"no column happened_at; the nearest is happened_on"),
        ("happened_at DATE", r"is DATE, which does not hold instants"),
        ("happened_at VARCHAR", r"is VARCHAR.*which does not hold instants"),
    ],
)
def test_a_table_with_other_columns_is_told_by_check(
    snowflake: FakeSnowflake, target: SnowflakeTarget, column: str, sentence: str
) -> None:
    """The time field is missing, or is no time."""
    snowflake.query(f"CREATE TABLE {target.table} ({column})")
    with pytest.raises(BadData, match=sentence):
        target.check()


def test_check_looks_for_the_stage(snowflake: FakeSnowflake, target: SnowflakeTarget) -> None:
    """And names it."""
    with pytest.raises(Misuse, match="no external stage gone"):
        replace(target, stage="gone").check()
    snowflake.query("CREATE STAGE IF NOT EXISTS checked URL = 's3://anywhere/'")
    assert "loads from checked" in replace(target, stage="checked").check()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "cannot be read"),
        ("postgresql://u:p@h/d", "cannot be read"),
        ("snowflake://u:p@/d?x=1", "names no account"),
        ("snowflake://u:p@account", "names no database"),
        ("snowflake://account/d/s", "names no user"),
        ("snowflake://u@account/d/s", "nothing proves who logs in"),
    ],
)
def test_an_address_that_lacks_something_is_told(url: str, sentence: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(Misuse, match=sentence):
        Account(SecretStr(url)).arguments()


EXTRA = {"account": "tests", "database": "TESTS", "warehouse": "LOADING", "role": "LOADER"}
JSON = {"conn_type": "snowflake", "login": "u", "password": "p/w", "schema": "S", "extra": EXTRA}
CONNECTIONS = {
    "ours": "snowflake://u:p%2Fw@tests/TESTS/S?warehouse=LOADING&role=LOADER",
    "host": "snowflake://u:p%2Fw@tests.snowflakecomputing.com/TESTS/S?warehouse=LOADING&role=LOADER",
    "airflow": "snowflake://u:p%2Fw@/S?account=tests&database=TESTS&warehouse=LOADING&role=LOADER",
    "airflow extra": f"snowflake://u:p%2Fw@/S?__extra__={quote(json.dumps(EXTRA))}",
    "airflow json": json.dumps(JSON),
}


@pytest.mark.parametrize("form", CONNECTIONS)
def test_connections_of_every_form_say_the_same(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Our own address, and what Airflow writes of a Snowflake connection."""
    monkeypatch.setenv("PIPELINE_CONN_WAREHOUSE", CONNECTIONS[form])
    arguments = Account(connections.address("warehouse").url).arguments()
    asked = ("account", "database", "schema", "warehouse", "role", "user", "password")
    assert [arguments[name] for name in asked] == ["tests", "TESTS", "S", "LOADING", "LOADER", "u", "p/w"]


def test_a_key_of_an_airflow_connection_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """In base64, opened by the connection's password."""
    content = b64encode(pem(PASSPHRASE).encode()).decode()
    extra = {**EXTRA, "private_key_content": content}
    monkeypatch.setenv(
        "PIPELINE_CONN_WAREHOUSE", json.dumps({**JSON, "password": PASSPHRASE, "extra": extra})
    )
    arguments = Account(connections.address("warehouse").url).arguments()
    assert arguments["authenticator"] == "SNOWFLAKE_JWT"
    assert (
        arguments["private_key"]
        == Account(SecretStr("snowflake://u@tests/D"), SecretStr(pem())).arguments()["private_key"]
    )

"""Elasticsearch behind TLS and passwords: who may read, and who is trusted."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations._search.server import PRIVILEGES
from implementations.elasticsearch.source import ElasticsearchSource
from implementations.elasticsearch.target import ElasticsearchTarget
from implementations.loading.write_modes import Write
from pipeline_framework.errors import Misuse, Unavailable
from pipeline_framework.interfaces import Staged
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import AFTER, WINDOW, lock_for
from pipeline_framework.windows import Window
from tests.implementations.test_elasticsearch import FIRST, MAPPING
from tests.services.elasticsearch import Secured

pytestmark = [pytest.mark.services, pytest.mark.slow]
READS = ["read", "view_index_metadata"]


@pytest.fixture(scope="module")
def secured(secured_elasticsearch: Secured) -> Secured:
    """A secured server with one document in `events`."""
    secured_elasticsearch.ask("PUT", "/events", json={"mappings": {"properties": MAPPING}})
    document = {"at": FIRST.isoformat(), "n": 1}
    secured_elasticsearch.ask("POST", "/events/_doc?refresh=true", json=document)
    return secured_elasticsearch


def source(secured: Secured, **settings: Any) -> ElasticsearchSource:
    """A source of `events`; the administrator's, unless told otherwise."""
    known = {"user": "elastic", "password": SecretStr(secured.password), "ca_certs": str(secured.ca_certs)}
    named = {"url": SecretStr(secured.url), "index": "events", "time_field": "at"}
    return ElasticsearchSource(**{**named, **known, **settings})


def test_basic_auth_over_tls_reads(secured: Secured) -> None:
    """By fields of their own, and in the address with escapes; without looking at the certificate too."""
    address = secured.url.replace("https://", f"https://elas%74ic:{secured.password}@")
    assert table_of(source(secured).read(WINDOW))["n"].to_pylist() == [1]
    assert source(secured, url=SecretStr(address), user=None, password=None).count(WINDOW) == 1
    assert source(secured, ca_certs=None, verify_certs=False).count(WINDOW) == 1


def keyed(secured: Secured, key: str) -> ElasticsearchSource:
    """A source that shows an API key."""
    return source(secured, user=None, password=None, api_key=SecretStr(key))


def test_an_api_key_reads_in_either_form(secured: Secured) -> None:
    """As Elasticsearch hands it out in one piece (`encoded`), and as id and key with a colon between them."""
    key = secured.api_key({"events": READS})
    for form in (key["encoded"], f"{key['id']}:{key['api_key']}"):
        reading = keyed(secured, form)
        assert table_of(reading.read(WINDOW))["n"].to_pylist() == [1]
        assert reading.count(WINDOW) == 1
        assert reading.check().startswith("index events: 1 documents")


def test_an_api_key_for_another_index_is_told_of(secured: Secured) -> None:
    """A real refusal of a key that the server knows; the key is not in the sentence."""
    key = secured.api_key({"others": READS})
    with pytest.raises(Misuse, match=r"`source.api_key`; they need the privileges read and view") as refused:
        keyed(secured, key["encoded"]).count(WINDOW)
    assert key["api_key"] not in f"{refused.value}"
    assert key["encoded"] not in f"{refused.value}"


def documented(index: str) -> dict[str, list[str]]:
    """Privileges by name, as a refusal of the target names them."""
    said = re.fullmatch(
        r"(.+), also on its ledger; `deletes: hard` wants (\w+) too, also on its index `…(\w+)`",
        PRIVILEGES["target"],
    )
    assert said
    rights = re.split(", | and ", said[1])
    return {index: [*rights, said[2]], f"{index}_ledger": rights, f"{index}{said[3]}": [said[2]]}


def loading(secured: Secured, index: str, rights: dict[str, list[str]], write: Write) -> ElasticsearchTarget:
    """A target that shows an API key of these rights."""
    key = secured.api_key(rights)
    return ElasticsearchTarget(
        SecretStr(secured.url),
        index,
        "at",
        write=write,
        ledger=f"{index}_ledger",
        ca_certs=str(secured.ca_certs),
        api_key=SecretStr(key["encoded"]),
    )


def test_an_api_key_with_the_documented_privileges_loads(secured: Secured, tmp_path: Path) -> None:
    """Those that a refusal of the target names, on the index and its ledger."""
    of_ledger = documented("loaded")["loaded_ledger"]
    rights = {"loaded": of_ledger, "loaded_ledger": of_ledger}
    target = loading(secured, "loaded", rights, Write())
    assert target.load(lock_for(), one_row(tmp_path)).rows == target.count(lock_for().window) == 1


def test_an_api_key_with_the_documented_privileges_deletes(secured: Secured, tmp_path: Path) -> None:
    """Those for hard deletes; without them the refusal names them."""
    rights = documented("merged")
    hard = Write("upsert", ["n"], deleted_by="gone")
    lacking = loading(secured, "merged", rights | {"merged": rights["merged_ledger"]}, hard)
    with pytest.raises(Misuse, match=r"`deletes: hard` wants manage too"):
        lacking.load(lock_for(), one_row(tmp_path))
    target = loading(secured, "merged", rights, hard)
    target.load(lock_for(), one_row(tmp_path))
    assert target.check().endswith("takes documents")
    target.load(lock_for(AFTER), one_row(tmp_path, AFTER, gone=True))
    assert secured.ask("GET", "/merged/_count").json()["count"] == 0
    assert secured.ask("GET", "/merged_with_deleted/_count").json()["count"] == 1


def one_row(folder: Path, window: Window = WINDOW, *, gone: bool = False) -> Staged:
    """One row at the window's start."""
    times = pa.array([window.start], pa.timestamp("us", "UTC"))
    return staged_in(folder, pa.table({"at": times, "n": [1], "gone": [gone]}))


@pytest.mark.parametrize(
    "settings",
    [
        {"password": SecretStr("not the password")},
        {"user": None, "password": None},
        {"user": None, "password": None, "api_key": SecretStr("bm90OmFfa2V5")},
    ],
    ids=["wrong", "none", "api key"],
)
def test_credentials_that_may_not_read_are_told_of(secured: Secured, settings: dict[str, Any]) -> None:
    """Not tried again; one sentence with the keys that were used and the rights, and no secret."""
    wrong, key = source(secured, **settings), "api_key" if "api_key" in settings else "password"
    for ask in (lambda: wrong.count(WINDOW), lambda: wrong.read(WINDOW), wrong.check):
        with pytest.raises(Misuse, match=rf"`source.{key}`; .*view_index_metadata") as refused:
            ask()
        told = f"{refused.value}{wrong}"
        assert "\n" not in told
        secrets = (secured.password, "not the password", "bm90OmFfa2V5")
        assert not [secret for secret in secrets if secret in told]


def test_an_unknown_authority_is_not_trusted(secured: Secured) -> None:
    """The key that names it is in the sentence."""
    with pytest.raises(Misuse, match=r"is not trusted .*`source.ca_certs`") as refused:
        source(secured, ca_certs=None).count(WINDOW)
    assert "\n" not in str(refused.value)


def test_a_file_of_certificates_that_is_not_there_is_told_of(secured: Secured) -> None:
    """Before anything is asked."""
    with pytest.raises(Misuse, match=r"`source.ca_certs` names /nowhere/ca.crt") as refused:
        source(secured, ca_certs="/nowhere/ca.crt").count(WINDOW)
    assert "\n" not in str(refused.value)


def test_plain_http_to_a_server_with_tls_is_told_of(secured: Secured) -> None:
    """It hangs up on what it does not understand."""
    with pytest.raises(Unavailable, match="does not answer"):
        source(secured, url=SecretStr(secured.url.replace("https", "http"))).count(WINDOW)

"""Who may not use an index of a server with passwords: one sentence each, and nothing is made or loaded."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.mistakes import SECRET, Mistake, pipeline, require_told
from tests.services.elasticsearch import Secured

pytestmark = [pytest.mark.services, pytest.mark.slow]
NEEDED = {
    "source": "read and view_index_metadata",
    "target": "read, write, create_index, maintenance and view_index_metadata, also on its ledger; "
    "`deletes: hard` wants manage too, also on its index `…_with_deleted`",
}
WRITES = ("[indices:data/write/bulk]", "", "create_doc,create,delete,index,write,all")
MAKES = ("[indices:admin/create]", " on indices [mistaken_ledger]", "create_index,manage,all")
READS = ("[indices:data/read/msearch]", "", "read,all")
SEES = ("[indices:admin/mappings/get]", " on indices [mistaken]", "view_index_metadata,manage,all")
LACKING = {
    "no reading": ("source", "mistaken*", "write", READS, READS),
    "only reading": ("target", "mistaken*", "read", WRITES, MAKES),
    "only another index": ("target", "others", "read", SEES, SEES),
}


def lacking(action: str, on: str, rights: str) -> str:
    """As the server says it of a key."""
    return (
        f"action {action} is unauthorized for API key id [{{id}}] of user [elastic]{on}, this action is "
        f"granted by the index privileges [{rights}]"
    )


def refused(part: str, why: str, login: str = "`{part}.api_key`") -> str:
    """Whose the right is that is lacking, the keys to correct, and what is needed."""
    return (
        f"{{url}} does not let these credentials use index mistaken (security_exception: {why}): correct "
        f"{login.replace('{part}', part)}; they need the privileges {NEEDED[part]}."
    )


def secured(server: Secured, part: str, **login: str) -> dict[str, dict[str, Any]]:
    """A connector of an empty index that the administrator made."""
    server.ask("DELETE", "/mistaken,mistaken_ledger", params={"ignore_unavailable": "true"})
    server.ask("PUT", "/mistaken", json={"mappings": {"properties": {"time_hour": {"type": "date"}}}})
    keys = {"type": "elasticsearch", "index": "mistaken", "time_field": "time_hour", "url": server.url}
    own = {"ledger": "mistaken_ledger"} if part == "target" else {}
    return {part: {**keys, "ca_certs": str(server.ca_certs), **own, **login}}


@pytest.mark.parametrize("part", ["source", "target"])
def test_a_wrong_password_is_told(secured_elasticsearch: Secured, part: str, tmp_path: Path) -> None:
    """With the keys to correct, and without the password."""
    login = "`{part}.user` and `{part}.password`"
    why = "unable to authenticate user [elastic] for REST request [/mistaken/_mapping]"
    mistaken = pipeline(tmp_path, **secured(secured_elasticsearch, part, user="elastic", password=SECRET))
    require_told(mistaken, Mistake({}, refused(part, why, login)), url=secured_elasticsearch.url)


@pytest.mark.parametrize("what", LACKING)
def test_an_account_without_the_right_is_told(
    secured_elasticsearch: Secured, what: str, tmp_path: Path
) -> None:
    """`check` tries to write, where a run makes its ledger first; what may not be seen is not missing."""
    part, index, privilege, checked, ran = LACKING[what]
    key = secured_elasticsearch.api_key({index: [privilege, "view_index_metadata"]})
    names = {"url": secured_elasticsearch.url, "id": key["id"]}
    mistaken = pipeline(tmp_path, **secured(secured_elasticsearch, part, api_key=key["encoded"]))
    told = refused(part, lacking(*checked)).format(**names)
    assert f"BAD  {part}: {told}\n" in mistaken("check").out
    require_told(mistaken, Mistake({}, refused(part, lacking(*ran)), checked=False), **names)
    there = secured_elasticsearch.ask("GET", "/mistaken*/_count").json()
    assert (there["count"], there["_shards"]["total"]) == (0, 1)

"""Deleted documents that stay, so that no older row brings them back, and the alias that hides them.

A search engine forgets the version of a deleted document within a minute (`index.gc_deletes`), and cannot
change two documents at once. So the grave takes the place of its document, under the same `_id`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from implementations._search import searches
from implementations._search.server import Cluster
from pipeline_framework.errors import Misuse

FIELD = "pipeline_deleted"  # true in a grave, and in no other document
_HIDING = {"bool": {"must_not": [{"exists": {"field": FIELD}}]}}


def home(name: str) -> tuple[str, dict[str, Any]]:
    """The index to make behind the alias `name`, and what it says of the alias."""
    return f"{name}_with_deleted", {"aliases": {name: {"filter": _HIDING}}}


def require_hidden(cluster: Cluster, name: str, properties: Mapping[str, Any] | None) -> None:
    """Raise `Misuse` for an index, or an alias, whose searches would find graves."""
    if properties is None:
        return
    answer = msgspec.json.decode(cluster.ask("GET", f"{searches.path_of(name)}/_alias"))
    filters = [each["aliases"].get(name, {}).get("filter") for each in answer.values()]
    if filters != [_HIDING]:
        raise Misuse(
            f"{name} would show deleted documents, of which key and version stay: for `deletes: hard` it "
            f"has to be an alias of one index with the filter {msgspec.json.encode(_HIDING).decode()}. Take "
            "a `target.index` that is not there yet, which is made so, or `deletes: soft`."
        )

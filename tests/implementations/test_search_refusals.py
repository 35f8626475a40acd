"""Which refusals of a server pass by themselves, and which last until a person does something."""

import msgspec
import pytest
from pydantic import SecretStr

from implementations._search.server import Busy, Server
from pipeline_framework.errors import BadData, Misuse, PipelineError

SERVER = Server("index events", SecretStr("http://there:9200"), None, None, None, True, 60, part="target")
PRESSURE = (
    "rejected execution of coordinating operation [coordinating_and_primary_bytes={there}, replica_bytes=0, "
    "all_bytes={there}, coordinating_operation_bytes={bytes}, max_coordinating{more}_bytes=53687091]"
)
FLOOD = "index [events] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]"
STARTING = "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];"


def told(status: int, kind: str, reason: str) -> PipelineError:
    """The error for an answer that real servers gave."""
    return SERVER.told(status, msgspec.json.encode({"error": {"type": kind, "reason": reason}}))


@pytest.mark.parametrize("more", ["", "_and_primary"], ids=["Elasticsearch", "OpenSearch"])
def test_a_request_that_never_fits_into_a_server_is_not_waited_for(more: str) -> None:
    """By itself it is more than may be under way; where others fill the server, it is busy."""
    never = told(429, "rejected", PRESSURE.format(there=0, bytes=60_000_374, more=more))
    later = told(429, "rejected", PRESSURE.format(there=53_000_000, bytes=8_000_374, more=more))
    assert (type(never), type(later)) == (BadData, Busy)
    assert "or shorten the row at the source" in str(never)


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (403, "index [events] blocked by: [FORBIDDEN/8/index write (api)];", Misuse),
        (429, FLOOD, Busy),
        (503, STARTING, Busy),
    ],
    ids=["by a person", "by a full disk", "while it starts"],
)
def test_a_block_lasts_only_where_a_person_set_it(
    status: int, reason: str, error: type[PipelineError]
) -> None:
    """The server lifts the others by itself."""
    assert type(told(status, "cluster_block_exception", reason)) is error

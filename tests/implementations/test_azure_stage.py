"""Containers of Azure keep the contract of stages, on Microsoft's own emulator, and refuse plainly."""

from collections.abc import Callable
from typing import Any

import obstore
import pytest

from implementations.object_store.bucket import BucketStage
from pipeline_framework.errors import Misuse, Unavailable
from pipeline_framework.interfaces import Manifest
from pipeline_framework.testing.stage_contract import StageContract
from pipeline_framework.testing.truth import lock_for
from tests.services.azure import ACCOUNT, KEY, store

pytestmark = pytest.mark.services
WRONG_KEY = "d3Jvbmc="


def stage_at(server: str, url: str, **settings: Any) -> BucketStage:
    """A stage of the test server."""
    options = {"account_name": ACCOUNT, "account_key": KEY, **settings.pop("options", {})}
    return BucketStage(url, **{"endpoint": server, "options": options, **settings})


class TestAzureStage(StageContract):
    """Over HTTP, with Azure's own rules of who comes first."""

    @pytest.fixture
    def stage(self, azure_server: str, fresh_container: Callable[[], str]) -> BucketStage:
        self.server = azure_server
        return stage_at(azure_server, f"az://{fresh_container()}/stage")

    def lose(self, stage: BucketStage, manifest: Manifest, name: str) -> None:  # type: ignore[override]
        container, folder = place(manifest)
        wanted = "manifest.json" if name == "manifest" else name
        obstore.delete(store(self.server, container), f"{folder}/{wanted}")

    def text(self, stage: BucketStage, manifest: Manifest, name: str) -> bytes:  # type: ignore[override]
        container, folder = place(manifest)
        return obstore.get(store(self.server, container), f"{folder}/{name}").bytes().to_bytes()


def place(manifest: Manifest) -> tuple[str, str]:
    """Container and folder of a manifest."""
    container, folder = manifest.address.removeprefix("az://").rpartition("/")[0].split("/", 1)
    return container, folder


@pytest.mark.parametrize(
    ("settings", "kind", "told"),
    [
        ({"url": "az://no-such-container/x"}, Misuse, "no bucket az://no-such-container"),
        ({"options": {"account_key": WRONG_KEY}}, Misuse, "does not let these credentials"),
        ({"endpoint": "http://127.0.0.1:9/devstoreaccount1"}, Unavailable, "does not answer"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    azure_server: str,
    fresh_container: Callable[[], str],
    settings: dict[str, Any],
    kind: type[Exception],
    told: str,
) -> None:
    """A container that is not there, another key, another place; no secret is in it."""
    known = {"server": azure_server, "url": f"az://{fresh_container()}/stage"}
    with pytest.raises(kind, match=told) as raised:
        stage_at(**{**known, **settings}).check()
    assert "\n" not in str(raised.value)
    assert KEY not in str(raised.value)


def test_another_key_is_told_wherever_it_is_used(
    azure_server: str, fresh_container: Callable[[], str]
) -> None:
    """A listing is refused in other words than a writing; the sentence is the same, and names the keys."""
    url = f"az://{fresh_container()}/stage"
    with pytest.raises(Misuse) as refused:
        stage_at(azure_server, url, options={"account_key": WRONG_KEY}).clear(lock_for())
    assert str(refused.value) == (
        f"{url} does not let these credentials list, read, write and remove objects: correct "
        "`stage.options`, or the rights of the bucket."
    )

"""The manifest as a file: JSON text whose hash the control table keeps."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from hashlib import sha256

from pipeline_framework.errors import StageLost
from pipeline_framework.interfaces import Lock, Manifest, Reading, StagedFile

NAME = "manifest.json"
# Known only once the text is written, so not in it.
_OUTSIDE = ("address", "digest")


def manifest_of(
    lock: Lock, reading: Reading, files: Sequence[StagedFile], bad_files: Sequence[StagedFile], host: str
) -> Manifest:
    """What was staged, before it has an address."""
    return Manifest(
        epoch=lock.epoch,
        host=host,
        files=tuple(files),
        rows=sum(file.rows for file in files),
        bad_rows=reading.tally.bad,
        filtered_rows=reading.tally.filtered,
        size=sum(file.size for file in files),
        source_count=reading.count,
        bad_files=tuple(bad_files),
    )


def text_of(manifest: Manifest, lock: Lock) -> bytes:
    """JSON, which also says whose window it is for whoever opens the folder."""
    whose = {"pipeline_id": lock.pipeline_id, "mapping_name": lock.mapping_name, "owner": lock.owner}
    facts = whose | {"window": str(lock.window)} | asdict(manifest)
    return json.dumps({name: fact for name, fact in facts.items() if name not in _OUTSIDE}, indent=1).encode()


def addressed(manifest: Manifest, text: bytes, address: str) -> Manifest:
    """The manifest with its address and the SHA-256 of its text."""
    return replace(manifest, address=address, digest=sha256(text).hexdigest())


def believed(text: bytes, lock: Lock) -> Manifest:
    """The manifest in `text`; raises `StageLost` unless it is the one that the marker in `lock` means."""
    marked = {name: lock.columns.get(name) for name in ("manifest_address", "manifest_digest", "stage_epoch")}
    known = sha256(text).hexdigest() == marked["manifest_digest"]
    manifest = told(text)[1] if known else None
    if not manifest or marked["stage_epoch"] not in {None, manifest.epoch}:
        raise StageLost(
            f"The manifest {marked['manifest_address']} is not the marked one; the window is staged again."
        )
    return addressed(manifest, text, str(marked["manifest_address"]))


def told(text: bytes) -> tuple[str, Manifest]:
    """The owner who wrote a manifest, and the manifest without its address and digest."""
    facts = json.loads(text)
    known = {field.name: facts[field.name] for field in fields(Manifest) if field.name in facts}
    for name in ("files", "bad_files"):
        known[name] = tuple(StagedFile(**file) for file in facts.get(name, ()))
    return facts["owner"], Manifest(**known)

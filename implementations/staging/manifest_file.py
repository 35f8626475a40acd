"""The manifest as a file: JSON text whose hash the control table keeps."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

from pipeline_framework.errors import StageLost
from pipeline_framework.interfaces import Lock, Manifest, Reading, StagedFile

NAME = "manifest.json"


def manifest_of(lock: Lock, reading: Reading, files: Sequence[StagedFile], host: str) -> Manifest:
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
    )


def text_of(manifest: Manifest, lock: Lock) -> bytes:
    """JSON, with the window it belongs to for whoever reads the folder by eye."""
    facts: dict[str, Any] = {"pipeline_id": lock.pipeline_id, "mapping_name": lock.mapping_name}
    facts |= {"window": str(lock.window), "owner": lock.owner} | asdict(manifest)
    del facts["address"], facts["digest"]
    return json.dumps(facts, indent=1).encode()


def addressed(manifest: Manifest, text: bytes, address: str) -> Manifest:
    """The manifest with its address and the digest of its text (SHA-256, hexadecimal)."""
    return replace(manifest, address=address, digest=sha256(text).hexdigest())


def believed(text: bytes, address: str, digest: str) -> Manifest:
    """The manifest in `text`, if it is the one the marker means.

    Raises `StageLost` when the text is not what the digest was taken of.
    """
    if sha256(text).hexdigest() != digest:
        raise StageLost(f"The manifest {address} is not the one that the control table names; the window is staged again.")
    facts = json.loads(text)
    files = tuple(StagedFile(**file) for file in facts.pop("files"))
    for extra in ("pipeline_id", "mapping_name", "window", "owner"):
        del facts[extra]
    return Manifest(address=address, digest=digest, files=files, **facts)

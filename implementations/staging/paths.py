"""Where a window rests in a stage: one folder for each epoch, so an epoch has one writer ever."""

import re
from datetime import UTC, datetime

from pipeline_framework.interfaces import Lock

_EPOCH = re.compile(r"epoch=(\d+)$")


def window_folder(lock: Lock) -> str:
    """`pipeline=<id>/[mapping=<name>/]window=<start>_<end>`, safe on every file system and store."""
    mapping = [f"mapping={_safe(lock.mapping_name)}"] if lock.mapping_name else []
    span = f"window={_stamp(lock.window.start)}_{_stamp(lock.window.end)}"
    return "/".join([f"pipeline={_safe(lock.pipeline_id)}", *mapping, span])


def epoch_folder(lock: Lock) -> str:
    """The folder that only the owner of `lock.epoch` writes to."""
    return f"{window_folder(lock)}/epoch={lock.epoch}"


def epoch_of(folder: str) -> int | None:
    """The epoch in a folder's name, None for a folder that is not ours."""
    found = _EPOCH.search(folder.rstrip("/"))
    return int(found[1]) if found else None


def _stamp(moment: datetime) -> str:
    text = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{text}.{moment.microsecond:06}Z" if moment.microsecond else f"{text}Z"


def _safe(name: str) -> str:
    # Escaped with `=XX`, as `%`, `*` and `[` mean something to object stores and to SQL readers of globs.
    return re.sub(
        r"[^A-Za-z0-9_.-]", lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), name
    )

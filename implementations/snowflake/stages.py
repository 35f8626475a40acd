"""How Snowflake reaches staged files: its own stage over the bucket, or one that lives with the session."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from implementations.loading.dialect import literal
from implementations.snowflake import names
from implementations.snowflake.session import Session
from pipeline_framework.errors import Misuse, StageLost
from pipeline_framework.interfaces import Staged


@dataclass(frozen=True, slots=True)
class Reached:
    """Where the staged files are to Snowflake: a stage, and their folder below it."""

    stage: str
    folder: str


def reached(
    session: Session, schema: str, staged: Staged, stage: str | None, credentials: Mapping[str, str]
) -> Reached:
    """Make the staged files readable; outside of a transaction, as it defines stages.

    Files of this host are sent to a temporary stage; a bucket is read by way of `stage`, or with
    credentials of its own. Raises `Misuse` where there is neither, or the stage is over another place.
    """
    temporary = f"{names.quoted(schema)}.{names.exact(f'PIPELINE_{secrets.token_hex(8).upper()}')}"
    if not any("://" in path for path in staged.paths):
        session.rows(f"CREATE TEMPORARY STAGE {temporary}")
        for path in staged.paths:
            _send(session, Path(path), temporary)
        return Reached(temporary, "")
    folder = staged.paths[0].rpartition("/")[0] + "/"
    if stage:
        return Reached(".".join(names.parts(stage)), _below(url_of(session, stage), folder, stage))
    if not credentials:
        raise Misuse(
            f"Snowflake has no way to {folder}: name `target.stage`, an external stage of Snowflake over the "
            "pipeline's `stage.url`, or for S3 `target.access_key_id` and `target.secret_access_key`."
        )
    listed = " ".join(f"{name} = {literal(value)}" for name, value in credentials.items())
    url = literal(folder)
    session.rows(f"CREATE TEMPORARY STAGE {temporary} URL = {url} CREDENTIALS = ({listed})")
    return Reached(temporary, "")


def url_of(session: Session, stage: str) -> str:
    """The address that an external stage is over. Raises `Misuse` where there is no such stage."""
    *scope, name = names.parts(stage)
    inside = f" IN SCHEMA {'.'.join(scope)}" if scope else ""
    wanted = names.stored(name)
    for row in session.named(f"SHOW STAGES LIKE {literal(wanted)}{inside}"):
        if row["name"] == wanted and row["url"]:
            return str(row["url"])
    raise Misuse(
        f"Snowflake has no external stage {stage} that this role may use: make one over the pipeline's "
        "`stage.url`, or correct `target.stage`."
    )


def _send(session: Session, path: Path, stage: str) -> None:
    try:
        with path.open("rb") as file:
            session.put(file, path.name, stage)
    except OSError as error:
        raise StageLost(
            f"The staged file {path} cannot be read ({error.strerror}); it is staged again."
        ) from error


def _below(url: str, folder: str, stage: str) -> str:
    over, wanted = _plain(url).rstrip("/") + "/", _plain(folder)
    if not wanted.startswith(over):
        raise Misuse(
            f"Snowflake's stage {stage} is over {url}, the window is staged in {folder}: let `target.stage` "
            "name one over the pipeline's `stage.url`."
        )
    return wanted.removeprefix(over)


def _plain(address: str) -> str:
    """One spelling for the addresses of buckets: Snowflake's and the stage's differ."""
    address = re.sub(r"^azure://[^/]*\.blob\.core\.windows\.net/", "az://", address)
    address = re.sub(r"^s3(gov|china|compat)://", "s3://", address)
    return re.sub(r"^gcs://", "gs://", address)

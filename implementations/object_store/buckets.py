"""Stages in buckets, one for each `type`, which knows what its addresses begin with."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from implementations.object_store.bucket import BucketStage


def _beginning(*schemes: str) -> AfterValidator:
    """A validator of addresses; what comes behind the scheme, obstore judges."""
    begins = " or ".join(f"{scheme}://" for scheme in schemes)

    def begun(url: str) -> str:
        if url.partition("://")[0].lower() not in schemes:
            raise ValueError(f"Must begin with {begins} at this `type`. Correct one of them.")
        return url

    return AfterValidator(begun)


@dataclass(frozen=True)
class S3Stage(BucketStage):
    """Parquet in a bucket of S3, or of a store that speaks as S3 does (`type: s3`).

    `url`: `s3://bucket/prefix`.
    """

    url: Annotated[str, Field(examples=["s3://my-bucket/stage"]), _beginning("s3", "s3a")]


@dataclass(frozen=True)
class GCSStage(BucketStage):
    """Parquet in a bucket of Google Cloud Storage (`type: gcs`).

    `url`: `gs://bucket/prefix`.
    """

    url: Annotated[str, Field(examples=["gs://my-bucket/stage"]), _beginning("gs")]


@dataclass(frozen=True)
class AzureStage(BucketStage):
    """Parquet in a container of Azure (`type: azure`).

    `url`: `az://container/prefix`; the account is one of the `options`.
    """

    url: Annotated[
        str,
        Field(examples=["az://my-container/stage"]),
        _beginning("az", "azure", "abfs", "abfss", "adl"),
    ]


@dataclass(frozen=True)
class MemoryStage(BucketStage):
    """Parquet in the memory of this process, for trying things out in one (`type: memory`).

    `url`: `memory://name`, which ends with the process.
    """

    url: Annotated[str, Field(examples=["memory://stage"]), _beginning("memory")]

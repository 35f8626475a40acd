"""A bucket of S3, Google Cloud Storage or Azure as stage; for trying things out, the memory of a process."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import PositiveInt, SecretStr

from implementations.object_store import objects
from implementations.staging.manifest_file import NAME, addressed, believed
from implementations.staging.paths import epoch_folder, epoch_of, window_folder
from pipeline_framework.errors import Misuse, PipelineError, StageLost, Unavailable
from pipeline_framework.interfaces import Lock, Manifest, Reading, Staged, StagedFile

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# The phase tries again itself, and tells of it; the store's own patience of minutes would be silent.
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
_FORBIDDEN = "AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|403 Forbidden"
_OWN_ROLE = "http://169.254.169.254/"  # who a host of Amazon may be: asked where nothing else says it
_REFUSALS = {"PermissionDeniedError", "UnauthenticatedError"}
_MEMORIES: dict[str, "ObjectStore"] = {}  # of this process, by url
_MISTAKES = {"UnknownConfigurationKeyError", "InvalidPathError", "NotSupportedError", "ValueError"}


@dataclass(frozen=True)
class BucketStage:
    """Parquet in a bucket; see `buckets` for its types.

    `url`: scheme, bucket and prefix. `endpoint`, `region`: of a store that speaks S3. `access_key_id`,
    `secret_access_key`, `session_token`: of S3; without them those of the environment. `profile`: one of the
    AWS configuration, in place of keys. `options`: any other key of obstore for that store, such as
    `account_name` and `account_key` of Azure (https://developmentseed.org/obstore). `part_bytes`: bytes of a
    file, which are held in memory while it is written or read; the first eight of a window are a quarter.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    part_bytes: PositiveInt = 16 * 1024**2

    def check(self) -> str:
        with self._plainly():
            objects.tried(self._store())
        return f"{self.url}: can write and remove"

    def write(self, lock: Lock, reading: Reading) -> Manifest:
        with self._plainly():
            manifest, text = objects.write(self._store(), self.url, lock, reading, part_bytes=self.part_bytes)
        return addressed(manifest, text, f"{self._base}{epoch_folder(lock)}/{NAME}")

    def staged(self, lock: Lock) -> Staged:
        folder = self._marked_folder(lock)
        with self._plainly():
            store = self._store()
            manifest = believed(bytes(self._bytes(store, f"{folder}/{NAME}")), lock)
            self._verify(store, folder, manifest)
        names = [f"{folder}/{file.name}" for file in manifest.files]
        openers = [partial(self._opened, store, name) for name in names]
        paths = [f"{self._base}{name}" for name in names]
        schema = objects.schema_of(paths[0], openers[0])
        return Staged(manifest, schema, paths, partial(objects.reader, paths, openers, schema))

    def clear(self, lock: Lock) -> None:
        import obstore

        with self._plainly():
            store = self._store()
            for page in obstore.list(store, window_folder(lock) + "/"):
                paths = [each["path"] for each in page]
                obstore.delete(store, [path for path in paths if objects.outdated(_epoch(path, lock), lock)])

    @property
    def _base(self) -> str:
        return self.url.rstrip("/") + "/"

    def _marked_folder(self, lock: Lock) -> str:
        address = str(lock.columns.get("manifest_address") or "")
        if not address.startswith(self._base):
            raise StageLost(
                f"The window is staged at {address or 'nowhere'}, not in {self.url}; it is staged again."
            )
        return address.removeprefix(self._base).rpartition("/")[0]

    def _verify(self, store: "ObjectStore", folder: str, manifest: Manifest) -> None:
        import obstore

        listed = obstore.list_with_delimiter(store, folder)["objects"]
        sizes = {each["path"].rpartition("/")[2]: each["size"] for each in listed}
        for file in manifest.files:
            if sizes.get(file.name) != file.size:
                raise objects.lost(f"{self._base}{folder}/{file.name}", _found(sizes, file))

    def _opened(self, store: "ObjectStore", name: str) -> pq.ParquetFile:
        with self._plainly():
            return pq.ParquetFile(pa.BufferReader(self._bytes(store, name)))

    def _bytes(self, store: "ObjectStore", name: str) -> Any:
        import obstore

        try:
            return obstore.get(store, name).bytes()
        except FileNotFoundError:
            raise objects.lost(f"{self._base}{name}", "is gone") from None

    def _store(self) -> "ObjectStore":
        from obstore.store import MemoryStore, from_url

        if self.url.startswith("memory:"):
            return _MEMORIES.setdefault(self.url, MemoryStore())
        secrets = {"access_key_id", "secret_access_key", "session_token"}
        named = {
            name: getattr(self, name) for name in ("endpoint", "region", *secrets) if getattr(self, name)
        }
        plain = {
            name: value.get_secret_value() if name in secrets else value for name, value in named.items()
        }
        place = self.endpoint or self.options.get("base_url", "")
        http: Any = {"allow_http": place.startswith("http://")}
        own: dict[str, Any] = {**self.options, **plain, **self._profile()}
        opened: ObjectStore = from_url(self.url, client_options=http, retry_config=_RETRIES, **own)
        return opened

    def _profile(self) -> dict[str, Any]:
        if not self.profile:
            return {}
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider

        try:
            session = boto3.Session(profile_name=self.profile)
            return {"credential_provider": Boto3CredentialProvider(session)}
        except (BotoCoreError, ValueError) as refused:
            raise Misuse(
                f"The AWS profile {self.profile} cannot be used ({refused}): correct `stage.profile`, or "
                "add it to the AWS configuration of this host."
            ) from refused

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, ValueError) as raised:
            raise self._told(raised) from raised

    def _told(self, raised: Exception) -> PipelineError:
        text, kind = str(raised), type(raised).__name__
        if _OWN_ROLE in text:
            return Misuse(
                f"{self.url}: no credentials are given, and this host has none of its own: set "
                "`stage.access_key_id` and `stage.secret_access_key`, their AWS_ variables, or "
                "`stage.profile`."
            )
        keys = "`stage.options`"
        if self.url.startswith("s3:"):
            keys = "`stage.access_key_id` and `stage.secret_access_key`"
        if kind in _REFUSALS or re.search(_FORBIDDEN, text):
            return Misuse(
                f"{self.url} does not let these credentials list, read, write and remove objects: correct "
                f"{keys}, or the rights of the bucket."
            )
        if kind == "FileNotFoundError" or re.search("NoSuchBucket|ContainerNotFound", text):
            return Misuse(f"There is no bucket {self.url}: make it, or correct `stage.url`.")
        why = text.partition("\n")[0].rstrip(".")
        if re.search("PermanentRedirect|AuthorizationHeaderMalformed|configured region", text):
            return Misuse(f"{self.url} is in another region: set `stage.region` to that of the bucket.")
        if kind in _MISTAKES or why.startswith("Generic URL error"):
            return Misuse(
                f"The stage {self.url} cannot be opened: {why}. Correct `stage.url` or its options."
            )
        brief = re.sub(r" in [\d.]+\w+(, after .*?, retry_timeout: \w+)?", "", why)
        return Unavailable(
            f"{self.url} does not answer as it should ({brief}): start it, or correct `stage.endpoint`."
        )


def _epoch(path: str, lock: Lock) -> int | None:
    return epoch_of(path.removeprefix(window_folder(lock) + "/").partition("/")[0])


def _found(sizes: Mapping[str, int], file: StagedFile) -> str:
    size = sizes.get(file.name)
    return "is gone" if size is None else f"has {size} bytes instead of {file.size}"

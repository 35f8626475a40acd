"""Where a Snowflake account is, and by what a user proves who he is."""

import json
import re
from base64 import b64decode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from pipeline_framework.errors import Misuse

# Seconds. Every wait for a reply ends: a statement that takes longer is asked after, again and again.
LOGIN_TIMEOUT, NETWORK_TIMEOUT = 60, 120
_KEPT = ("account", "warehouse", "role", "database", "schema", "host", "port", "protocol", "region")


@dataclass(frozen=True)
class Account:
    """An account's address with its login; the fields are those of the target."""

    url: SecretStr
    private_key: SecretStr | None = None
    private_key_passphrase: SecretStr | None = None
    token: SecretStr | None = None

    @property
    def shown(self) -> str:
        """The part of the address that may be shown."""
        return f"{self.named.get('account', 'account?')}/{self.named.get('database', '')}"

    def of(self, table: str) -> str:
        """How messages name a table of the account."""
        return f"Snowflake {self.shown} (table {table})"

    @property
    def schema(self) -> str:
        """The schema that the address names, else the one that every database has."""
        return self.named.get("schema", "PUBLIC")

    @cached_property
    def named(self) -> dict[str, str]:
        """What the address says by name; of Airflow's connections the `extra` too."""
        parts, extra = self._parts, self._extra
        given = {name: extra[name] for name in _KEPT if extra.get(name)}
        path = [unquote(part) for part in parts.path.split("/") if part]
        if len(path) == 1 and "database" in given:  # so Airflow writes it
            given = {"schema": path[0], **given}
        given = {**dict(zip(("database", "schema"), path, strict=False)), **given}
        if parts.hostname and "account" not in given:
            given["account"] = re.sub(r"\.snowflakecomputing\.com$", "", parts.hostname)
        return given

    def arguments(self) -> dict[str, Any]:
        """What the driver connects with. Raises `Misuse` for what is missing or cannot be read."""
        named: dict[str, Any] = dict(self.named)
        for name in ("account", "database"):
            if name not in named:
                raise Misuse(
                    f"Snowflake's `url` names no {name}: write snowflake://user:password@account/DATABASE/SCHEMA"
                    "?warehouse=NAME&role=NAME."
                )
        if "port" in named:
            named["port"] = self._port(named["port"])
        user = unquote(self._parts.username or "")
        if not user:
            raise Misuse(f"Snowflake {self.shown}: `url` names no user before the @: add it.")
        timeouts = {"login_timeout": LOGIN_TIMEOUT, "network_timeout": NETWORK_TIMEOUT}
        # The driver would ask the machine's neighbours which cloud it runs in.
        return {**named, "user": user, **timeouts, "platform_detection_timeout_seconds": 0, **self._proof()}

    def _port(self, given: str) -> int:
        if not given.isdecimal():
            raise Misuse(f"Snowflake {self.shown}: the port {given} is no number: correct it in `url`.")
        return int(given)

    def without_secrets(self, text: str) -> str:
        """The text, in which a password, key or token is only stars."""
        parts = self._parts
        secrets = {parts.password or "", unquote(parts.password or "")}
        secrets |= {
            secret.get_secret_value() for secret in (self.token, self.private_key_passphrase) if secret
        }
        for secret in filter(None, secrets):
            text = text.replace(secret, "**********")
        return text

    def _proof(self) -> dict[str, Any]:
        if self.token:
            return {"authenticator": "oauth", "token": self.token.get_secret_value()}
        if key := self._named_key():
            return {"authenticator": "SNOWFLAKE_JWT", "private_key": self._key(key)}
        if not self._parts.password:
            raise Misuse(
                f"Snowflake {self.shown}: nothing proves who logs in: set `private_key`, `token`, or a "
                "password in `url`."
            )
        return {"password": unquote(self._parts.password)}

    def _named_key(self) -> str:
        """PEM text or a path; a connection of Airflow's names a file, or has the text in base64."""
        if self.private_key:
            return self.private_key.get_secret_value().strip()
        text = self._extra.get("private_key_content", "")
        return self._extra.get("private_key_file", "") or (b64decode(text).decode() if text else "")

    def _key(self, given: str) -> bytes:
        """The private key as the driver wants it; the file is read at every login, as keys are changed."""
        from cryptography.hazmat.primitives import serialization

        if self.private_key_passphrase:
            passphrase = self.private_key_passphrase.get_secret_value()
        else:  # where Airflow's connections have it
            passphrase = unquote(self._parts.password or "")
        try:
            text = given if given.startswith("-----BEGIN") else Path(given).read_text()
            key = serialization.load_pem_private_key(
                text.encode(), passphrase.encode() if "ENCRYPTED" in text else None
            )
        except OSError as error:
            raise Misuse(
                f"Snowflake's `private_key` is neither PEM nor a file that can be read ({error.strerror})."
            ) from None
        except (ValueError, TypeError):
            raise Misuse(
                "Snowflake's `private_key` is no key in PEM, or `private_key_passphrase` does not open it."
            ) from None
        form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return key.private_bytes(*form)

    @cached_property
    def _extra(self) -> dict[str, str]:
        query = dict(parse_qsl(self._parts.query))
        return {
            name: str(value) for name, value in (json.loads(query.pop("__extra__", "{}")) | query).items()
        }

    @property
    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.url.get_secret_value())
            if parts.scheme == "snowflake":
                return parts
        except ValueError:
            pass
        raise Misuse(
            "Snowflake's `url` cannot be read: write snowflake://user:password@account/DATABASE/SCHEMA."
        )

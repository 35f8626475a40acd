"""A table of Snowflake as target; any number of processes may load into it, one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import Field, NonNegativeFloat, PositiveInt, SecretStr

from implementations.loading import ledger, transaction
from implementations.loading.dialect import Contract, Table
from implementations.loading.waiting import patiently
from implementations.loading.write_modes import Write
from implementations.snowflake.access import check_access
from implementations.snowflake.account import Account
from implementations.snowflake.names import stored, written
from implementations.snowflake.session import (
    end_overtaken,
    opened,
    query_tag,
    transaction_name,
)
from implementations.snowflake.stages import reached, url_of
from implementations.snowflake.words import SnowflakeWords
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.windows import Window

T = TypeVar("T")
_EXAMPLE = (
    "snowflake://${SNOWFLAKE_USER:-}:${SNOWFLAKE_PASSWORD:-}@my_organization-my_account/MY_DATABASE/PUBLIC"
)


@dataclass(frozen=True)
class SnowflakeTarget:
    """One table of Snowflake (`type: snowflake`), made from the first window's columns.

    `url`: `snowflake://user:password@account/DATABASE/SCHEMA?warehouse=NAME&role=NAME`, or in its place
    `conn_id`, the name of a connection. Plain names of tables, columns and stages are upper case, as without
    quotes; one in double quotes is taken as it is. `table`: made where it is missing. `time_field`: a column
    of TIMESTAMP_LTZ, TIMESTAMP_TZ, or TIMESTAMP_NTZ (taken as UTC). `schema`: that of the url when absent.
    `stage`: an external stage of Snowflake over the pipeline's stage; one on this host needs none.
    `access_key_id`, `secret_access_key`, `session_token`: for a stage in S3, in its place. `private_key`: PEM
    text or the path of a file. `private_key_passphrase`: what opens it. `token`: of OAuth. `scope`: values by
    column that mark this pipeline's rows of a table shared with others. `write`: how rows meet those that are
    there. `contract`: whether new columns are added, refused or left out. `wait_seconds`: how long to wait
    for locks of others. `statement_timeout_seconds`: after which Snowflake ends a statement.
    """

    url: Annotated[SecretStr, Field(examples=[f"{_EXAMPLE}?warehouse=MY_WAREHOUSE"])]
    table: str
    time_field: str
    stage: Annotated[str | None, Field(examples=["MY_STAGE"])] = None
    schema: str | None = None
    private_key: SecretStr | None = None
    private_key_passphrase: SecretStr | None = None
    token: SecretStr | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    scope: Mapping[str, str | int] = field(default_factory=dict)
    write: Write = field(default_factory=Write)
    contract: Contract = "evolve"
    wait_seconds: NonNegativeFloat = 120.0
    statement_timeout_seconds: PositiveInt = 3600

    def check(self) -> str:
        there = "is there" if self._asked(self._ready) else "will be made"
        over = f", loads from {self.stage}" if self.stage else ""
        return f"Snowflake {self._account.shown}: can write; the table {self._table} {there}{over}"

    def count(self, window: Window) -> int | None:
        return self._asked(lambda words: transaction.count(words, self._table, window))

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        def replaced(words: SnowflakeWords) -> Loaded:
            credentials = self._credentials()
            words.reached = reached(words, self._table.schema, staged, self.stage, credentials)
            return transaction.load(words, self._table, lock, staged)

        return self._held(lock, replaced)

    def loaded(self, lock: Lock) -> Loaded | None:
        return self._asked(lambda words: ledger.loaded(words, self._table, lock))

    def clear(self, lock: Lock) -> None:
        self._held(lock, lambda words: transaction.clear_window(words, self._table, lock))

    @property
    def _account(self) -> Account:
        return Account(self.url, self.private_key, self.private_key_passphrase, self.token)

    @property
    def _table(self) -> Table:
        configured = (self.schema or self._account.schema, self.table)
        schema, name = (written(stored(each)) for each in configured)  # so that a table has one spelling
        return Table(schema, name, self.time_field, self.scope, self.write, self.contract)

    def _credentials(self) -> dict[str, str]:
        given = {
            "AWS_KEY_ID": self.access_key_id,
            "AWS_SECRET_KEY": self.secret_access_key,
            "AWS_TOKEN": self.session_token,
        }
        return {name: secret.get_secret_value() for name, secret in given.items() if secret}

    def _asked(self, work: Callable[[SnowflakeWords], T], **settings: object) -> T:
        timeout = {"STATEMENT_TIMEOUT_IN_SECONDS": self.statement_timeout_seconds}
        with opened(self._account, self._table, timeout | settings) as session:
            return work(SnowflakeWords(session.connection, self._table))

    def _held(self, lock: Lock, work: Callable[[SnowflakeWords], T]) -> T:
        def alone(words: SnowflakeWords) -> T:
            words.name = transaction_name(self._table, lock)
            end_overtaken(words, words.name)
            words.prepare()
            return work(words)

        # In a new session each time: what a lost one did is known from its transaction and the ledger.
        return patiently(lambda: self._asked(alone, QUERY_TAG=query_tag(lock)), self.wait_seconds)

    def _ready(self, words: SnowflakeWords) -> bool:
        check_access(words, self._account.of(str(self._table)))
        if self.stage:
            url_of(words, self.stage)
        return transaction.ready(words, self._table)

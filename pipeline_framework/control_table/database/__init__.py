"""The one door to the control database: named statements in short transactions, errors of our tree."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from pipeline_framework.control_table import statements
from pipeline_framework.control_table.database.engine import engine_of, parsed, safe_text
from pipeline_framework.control_table.database.refusals import InDoubt
from pipeline_framework.control_table.database.transaction import Row, Transaction, refusing
from pipeline_framework.errors import Unavailable

__all__ = ["Database", "InDoubt", "Transaction"]

T = TypeVar("T")


def _more_often(state: RetryCallState) -> float:
    """SQLite answers at once that it is busy: who waited longer asks more often, so its turn comes."""
    waited = state.seconds_since_start or 0.0
    return random.uniform(0.001, max(0.003, 0.05 / (1 + waited / 0.1)))  # noqa: S311 it guards nothing


_PATIENCE = {"sqlite": 30.0, "postgresql": 5.0}  # seconds
_WAITS: dict[str, Callable[[RetryCallState], float]] = {
    "sqlite": _more_often,
    "postgresql": wait_random_exponential(multiplier=0.1, max=2),
}


class Database:
    """The control database at `url`. Safe for threads; connects when first asked; close it, or use `with`.

    `patience` is in seconds: for how long a connection that fails, or a SQLite file that is busy, is tried
    again; 5 and 30 unless given. Raises `Unavailable` after that, `Misuse` for what only a person can put
    right, `SchemaOutdated` for missing tables, and `InDoubt` when the connection broke during COMMIT. No
    message holds a password.
    """

    def __init__(self, url: str, *, patience: float | None = None) -> None:
        self._url = parsed(url)
        self.dialect = self._url.get_backend_name()
        self.safe_url = safe_text(self._url)
        self._engine = engine_of(self._url)
        self._statements = statements.load(self.dialect)
        self._retrying = Retrying(
            retry=retry_if_exception(_happened_not),
            wait=_WAITS[self.dialect],
            stop=stop_after_delay(_PATIENCE[self.dialect] if patience is None else patience),
            reraise=True,
        )

    def run(self, name: str, /, **parameters: object) -> list[Row]:
        """The rows of one named statement, in a transaction of its own."""

        def once() -> list[Row]:
            with self._begun(writes=self._statements[name].writes) as transaction:
                rows = transaction.run(name, **parameters)
                transaction.commit()
                return rows

        return self._patiently(once)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Several statements that happen together or not at all; on SQLite the only writer meanwhile."""
        with self._patiently(self._answering) as transaction:
            yield transaction
            transaction.commit()

    def now(self) -> datetime:
        """The database's clock, UTC."""
        answer: datetime = self.run("now")[0]["now"]
        return answer

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _patiently(self, once: Callable[[], T]) -> T:
        """The answer; again, for as long as patience lasts, while it is certain that nothing was changed."""
        try:
            return once()
        except Unavailable as error:
            if not _happened_not(error):
                raise
        return self._retrying(once)

    def _answering(self) -> Transaction:
        """A transaction on a connection that lives, for nothing in it is tried again, as one statement is."""
        transaction = self._begun(writes=True)
        try:
            transaction.run("now")
        except Unavailable:
            with transaction:
                raise
        return transaction

    def _begun(self, *, writes: bool) -> Transaction:
        """A new transaction; on SQLite one that writes holds the file's write lock from the start."""
        with refusing(self._url):
            transaction = Transaction(self._engine.connect())
            return transaction.begin() if writes else transaction


def _happened_not(error: BaseException) -> bool:
    """Whether nothing was changed for certain, and another try may go better."""
    return isinstance(error, Unavailable) and not isinstance(error, InDoubt)

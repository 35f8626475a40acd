"""Configuration, transfer and control table put together; runs nothing."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from types import ModuleType

from pipeline_framework import registry
from pipeline_framework.config import FinalConfig
from pipeline_framework.control_table import Database, Holder, PipelineKey, Record
from pipeline_framework.control_table.migrations import require_current
from pipeline_framework.errors import PipelineError
from pipeline_framework.interfaces import Transfer
from pipeline_framework.transfers import FunctionsTransfer, StreamedTransfer
from pipeline_framework.transfers.record_functions import RecordFunctions
from pipeline_framework.transfers.streamed import Placed

logger = logging.getLogger(__name__)


@dataclass
class Pipeline:
    """One pipeline, ready to be driven; connectors are built when first asked for."""

    config: FinalConfig
    database: Database
    holder: Holder

    @cached_property
    def key(self) -> PipelineKey:
        """What its rows in the control table carry."""
        return PipelineKey(self.config.pipeline_id, self.config.mapping_name)

    @cached_property
    def module(self) -> ModuleType | None:
        """The module that `implementation:` names."""
        name = self.config.implementation
        return registry.implementation(name, self.config) if name else None

    @cached_property
    def transfer(self) -> Transfer:
        """What moves its windows."""
        if self.module:
            return FunctionsTransfer(self.module, self.config.for_functions())
        return streamed(self.config)

    @cached_property
    def record_functions(self) -> RecordFunctions:
        """What its module wants to know of the control table."""
        return RecordFunctions(self.module, self.config.for_functions())

    def slot(self, number: int) -> "Pipeline":
        """The same for another slot of the run, which holds a window and has connectors of its own."""
        return Pipeline(self.config, self.database, replace(self.holder, run_slot=number))

    def moved(self, record: Record) -> Record:
        """Tell the module of a move; the record itself comes back.

        The move is made by then, so an error of the module is logged and undoes nothing.
        """
        if self.module:
            try:
                self.record_functions.updated(record.columns())
            except PipelineError as error:
                logger.warning("window %s was moved; %s", record.window, error)
        return record


def streamed(config: FinalConfig) -> StreamedTransfer:
    """The transfer of the connectors that the configuration names."""
    return StreamedTransfer(
        registry.build("source", config.source or {}, config),
        registry.build("stage", config.stage or {}, config),
        registry.build("target", config.target or {}, config),
        [
            Placed(
                registry.build("transform", settings, config), partial(config.misuse, ("transforms", place))
            )
            for place, settings in enumerate(config.transforms)
        ],
        config.tolerated,
    )


def this_process(config: FinalConfig) -> Holder:
    """A holder for work outside Airflow: a run of its own, whose locks need not outlive a pause."""
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    run_id = f"process__{started}__{owner()}"[:250]
    return Holder("", run_id, 0, owner(), config.lease_seconds)


def by_hand(config: FinalConfig, run_id: str) -> Holder:
    """A holder for tasks that a person runs one by one; its locks outlive the pauses between them."""
    return Holder("", run_id, 0, owner(), config.stale_threshold_hours * 3600)


def owner() -> str:
    """This process, as locks name it: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def opened(config: FinalConfig, holder: Holder | None = None) -> Iterator[Pipeline]:
    """The pipeline of `config` on its migrated control database, closed at the end of the block.

    Raises `Unavailable` when the database does not answer, `SchemaOutdated` when it needs `pipeline migrate`.
    """
    with Database(config.control_url) as database:
        require_current(database, config.control.auto_migrate)
        yield Pipeline(config, database, holder or this_process(config))

"""Everything the framework raises on purpose.

    PipelineError
    ├── Transient               worth another try without anybody's help
    │   ├── Unavailable             a database, source, stage or target does not answer
    │   ├── TransferFailed          an implementation raised an error of its own
    │   ├── StageLost               staged files are gone or differ from their manifest: stage again
    │   └── Uncounted               a count could not be taken: the audit alone is tried again
    ├── Terminal                the same try would fail in the same way: somebody has to act
    │   ├── Misuse                  the command or the configuration is wrong (exit code 2)
    │   │   └── SchemaOutdated          the control database lacks migrations
    │   ├── BadData                 the data cannot be moved as it is
    │   ├── StageElsewhere          the stage is on another host's disk; counts no attempt
    │   └── IntegrityViolation      the audit counted, and rows are missing or foreign
    ├── LockLost                the window is another run's now: stop, write nothing
    │   └── Fenced                  a target or stage has already seen a newer epoch
    └── NothingToDo             no failure: the run ends here, and the reason is its text
        ├── NothingPending          no window is ready
        ├── FutureData              the window asked for ends after the watermark
        ├── LockConflict            another run holds the window
        └── CountsMatch             source and target already agree

Every message is one sentence or two: what is wrong, where, and what to do next.
"""


class PipelineError(Exception):
    """Root of the tree."""


class Transient(PipelineError):
    """Worth another try: nothing is wrong with configuration or data."""


class Unavailable(Transient):
    """A system does not answer, or refuses for the moment."""


class TransferFailed(Transient):
    """An implementation raised something that this tree does not know; its type and text are kept."""


class StageLost(Transient):
    """What a marker promises is not in the stage: the window is staged again."""


class Uncounted(Transient):
    """Process failure of the audit: a count could not be taken, so nothing is known."""


class Terminal(PipelineError):
    """The same try would fail in the same way."""


class Misuse(Terminal):
    """A wrong command, key, value, path or permission; names file, key and remedy."""


class SchemaOutdated(Misuse):
    """The control database is older than this release needs."""


class BadData(Terminal):
    """Rows or files that cannot be moved as they are."""


class StageElsewhere(Terminal):
    """The stage lies on another host's disk; no fault of the window, so it counts no attempt."""


class IntegrityViolation(Terminal):
    """The audit counted and explains where rows were lost or came from."""


class LockLost(PipelineError):
    """Another run holds the window now; the loser stops without writing."""


class Fenced(LockLost):
    """The stage or target was written under a newer epoch."""


class NothingToDo(PipelineError):
    """Not a failure: the run is well and ends here."""


class NothingPending(NothingToDo):
    """No window is ready."""


class FutureData(NothingToDo):
    """The window asked for ends after the watermark."""


class LockConflict(NothingToDo):
    """Another run holds the window; the message names it and until when."""


class CountsMatch(NothingToDo):
    """Source and target already agree; the window was completed without moving a row."""

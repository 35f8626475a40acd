"""What a driver's error means to us: worth another try, somebody's mistake, or a lock that is taken."""

import re
import sqlite3

from pipeline_framework.errors import LockConflict, Misuse, PipelineError, SchemaOutdated, Unavailable


class InDoubt(Unavailable):
    """The connection was lost while COMMIT was under way: the move was made, or it was not."""


# Class of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING = ("08", "40", "53", "55", "57", "58")
_STARTING = re.compile(
    r"starting up|shutting down|recovery|too many|connection slots|terminat|reserved", re.IGNORECASE
)
_OWN_MISTAKE = re.compile(
    r"password|does not support SSL|invalid port|sslmode|service|certificate", re.IGNORECASE
)


def refusal(error: BaseException, where: str) -> PipelineError:
    """The error of our tree for a driver's error; `where` is the database without its password."""
    if isinstance(error, sqlite3.Error):
        return _sqlite(error, where)
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return _postgresql(state, _first_line(error), where) if state else _unconnected(_whole(error), where)


def _sqlite(error: sqlite3.Error, where: str) -> PipelineError:
    name, text = getattr(error, "sqlite_errorname", ""), str(error)
    for beginning, kind, sentence in _SQLITE:
        if name.startswith(beginning):
            return kind(f"control database {where}: {sentence}")
    if text.startswith(("no such table", "no such column")) or "has no column named" in text:
        return _outdated(text, where)
    return _broken_rule(text, where)


_SQLITE: tuple[tuple[str, type[PipelineError], str], ...] = (
    ("SQLITE_BUSY", Unavailable, "another process keeps it busy; try again, and look who has the file open."),
    (
        "SQLITE_LOCKED",
        Unavailable,
        "another process keeps it busy; try again, and look who has the file open.",
    ),
    (
        "SQLITE_CANTOPEN",
        Misuse,
        "the file cannot be opened; check its folder and the right to read and write there.",
    ),
    (
        "SQLITE_READONLY",
        Misuse,
        "the file or its folder is read-only; give this user the right to write there.",
    ),
    ("SQLITE_PERM", Misuse, "the file may not be used; give this user the right to read and write it."),
    ("SQLITE_NOTADB", Misuse, "the file is not a SQLite database; name another file in control.url."),
    ("SQLITE_CORRUPT", Misuse, "the file is damaged; restore it from a backup."),
    ("SQLITE_FULL", Unavailable, "the disk is full; make room and try again."),
    ("SQLITE_IOERR", Unavailable, "the disk answers with an error; look at it and try again."),
)


def _postgresql(state: str, text: str, where: str) -> PipelineError:
    if state in ("42P01", "42703"):  # undefined table, undefined column
        return _outdated(text, where)
    if state == "42501":
        return Misuse(f"control database {where}: {text}; grant this user the right, or connect as another.")
    if state == "25006":
        return Unavailable(
            f"control database {where} is read-only, as a standby is; point control.url to the primary."
        )
    if state.startswith(_PASSING):
        return Unavailable(f"control database {where}: {text}; try again.")
    if state.startswith(("28", "3D")):  # invalid authorization, invalid catalog
        return Misuse(f"control database {where}: {text}; correct control.url.")
    return _broken_rule(text, where)


def _unconnected(text: str, where: str) -> PipelineError:
    """A connection that did not come about: psycopg2 gives no code, and FATAL is the server's own word."""
    answered = "FATAL" in text and not _STARTING.search(text)
    if answered or _OWN_MISTAKE.search(text):
        return Misuse(f"control database {where}: {text}; correct user, password or database in control.url.")
    return Unavailable(f"control database {where} does not answer: {text}; check that it runs and try again.")


def _broken_rule(text: str, where: str) -> PipelineError:
    if "pipeline_records_one_lock" in text or ("UNIQUE" in text and "dag_run_id" in text):
        return LockConflict(
            f"control database {where}: this run and slot hold a window already; resume that one."
        )
    return Misuse(f"control database {where} refused: {text}; nothing was changed.")


def _outdated(text: str, where: str) -> PipelineError:
    return SchemaOutdated(
        f"control database {where} is not up to date ({text}); run `pipeline migrate`, "
        "or install the release that migrated it."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _whole(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__

"""Named SQL: one text for both databases, read from `sql/` in a checkout and in a wheel.

A file holds blocks that begin with `-- name: NAME` (a statement) or `-- fragment: NAME` (a piece that the
file's statements share). `{NAME}` and `{NAME:ARGUMENT}` put a fragment in; a fragment finds its argument
as `{it}` and the statement's name as `{this}`. The fragments below are all in which the databases differ.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LONGEST_BACKOFF = 3600  # seconds; doubling stops here

_EXPONENT = "(1 << CASE WHEN {it} < 0 THEN 0 WHEN {it} < 12 THEN {it} ELSE 12 END)"

POSTGRESQL: Mapping[str, str] = {
    "now": "statement_timestamp()",
    "seconds_from_now": "{now} + make_interval(secs => CAST({it} AS double precision))",
    "doubled": f"LEAST(CAST(:backoff_seconds AS double precision) * {_EXPONENT}, {LONGEST_BACKOFF})",
    "half_to_one": "(0.5 + random() / 2)",
    "later": "GREATEST",
    "epoch_after": "GREATEST({it} + 1, CAST(extract(epoch FROM {now}) * 1000 AS bigint))",
    "skip_locked": "FOR NO KEY UPDATE SKIP LOCKED",
    "lock_rows": "FOR NO KEY UPDATE",
    "for_update": "FOR UPDATE",
    "for_update_or_skip": "FOR UPDATE SKIP LOCKED",
    "any_order": "{it}",
    "time": "CAST(:{it} AS timestamptz)",
    "json": "CAST(:{it} AS jsonb)",
    "windows_in": "pipeline_windows_in(:pipeline_id, :mapping_name, ARRAY("
    "SELECT tstzrange(stretch_from, stretch_to) FROM ({it}) AS stretches WHERE stretch_from < stretch_to))",
    "each": "jsonb_array_elements(CAST(:{it} AS jsonb)) AS each_row(value)",
    "field": "value ->> '{it}'",
    "audited": "CAST(audit_detail ->> '{it}' AS bigint)",
    "day_field": "CAST(value ->> '{it}' AS date)",
    "time_field": "CAST(value ->> '{it}' AS timestamptz)",
    "migration_lock": "pg_advisory_xact_lock(7305804402566883425)",
    "tables": "(SELECT relname AS table_name FROM pg_class WHERE pg_table_is_visible(oid)) AS visible",
    "owners": "EXISTS (SELECT FROM pg_roles WHERE rolname = 'pipeline_owner' AND pg_has_role(oid, 'MEMBER'))",
    "permitted": "has_table_privilege(table_name, right_name)",
}

SQLITE: Mapping[str, str] = {
    "now": "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'",
    "seconds_from_now": "strftime('%Y-%m-%dT%H:%M:%f', 'now', printf('%+.3f seconds', {it})) || '000Z'",
    "doubled": f"MIN(CAST(:backoff_seconds AS REAL) * {_EXPONENT}, {LONGEST_BACKOFF})",
    "half_to_one": "(0.75 + random() / 36893488147419103232.0)",
    "later": "MAX",
    "epoch_after": "MAX({it} + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))",
    "skip_locked": "",
    "lock_rows": "",
    "for_update": "",
    "for_update_or_skip": "",
    "any_order": "+{it}",  # not by an index of it: https://www.sqlite.org/optoverview.html#uplus
    "time": ":{it}",
    "json": ":{it}",
    "windows_in": "(SELECT pipeline_records.* FROM ({it}) AS stretches CROSS JOIN pipeline_records"
    " WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name"
    " AND window_start_time >= stretch_from AND window_start_time < stretch_to)",
    "each": "json_each(:{it})",
    "field": "json_extract(value, '$.{it}')",
    "audited": "json_extract(audit_detail, '$.{it}')",
    "day_field": "json_extract(value, '$.{it}')",
    "time_field": "json_extract(value, '$.{it}')",
    "migration_lock": "1",
    "tables": "(SELECT name AS table_name FROM sqlite_master) AS visible",
    "owners": "0",
    "permitted": "TRUE",
}

_DIALECTS = {"postgresql": POSTGRESQL, "sqlite": SQLITE}
_BLOCK = re.compile(
    r"^-- (name|fragment): (\w+)\n(.*?)(?=^-- (?:name|fragment): |\Z)", re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_PLACE = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_WRITING = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of one dialect, with `:name` parameters; `writes` when it changes rows."""

    name: str
    text: str
    writes: bool


def folder() -> Path:
    """Where the SQL lies: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"


@cache
def load(dialect: str) -> Mapping[str, Statement]:
    """Every statement of `sql/*.sql` and `sql/reports/*.sql` by name, for `postgresql` or `sqlite`."""
    statements: dict[str, Statement] = {}
    shared = dict(_DIALECTS[dialect])
    for kind, name, text in _blocks():
        if kind == "fragment":
            shared[name] = text
        elif name in statements:
            raise ValueError(f"{folder()}: two statements are named {name}; rename one of them.")
        else:
            statements[name] = Statement(name, _filled(name, text, shared), bool(_WRITING.search(text)))
    return statements


def names(file: str) -> list[str]:
    """The statements of one file of `sql/`, in order."""
    found = _BLOCK.finditer((folder() / file).read_text(encoding="utf-8"))
    return [match[2] for match in found if match[1] == "name"]


def _blocks() -> Iterator[tuple[str, str, str]]:
    """Kind, name and text of every block, fragments first."""
    files = [*sorted(folder().glob("*.sql")), *sorted(folder().glob("reports/*.sql"))]
    found = [match for file in files for match in _BLOCK.finditer(file.read_text(encoding="utf-8"))]
    for match in sorted(found, key=lambda match: match[1]):
        yield match[1], match[2], _COMMENT.sub("", match[3]).strip().rstrip(";")


def _filled(statement: str, text: str, fragments: Mapping[str, str]) -> str:
    """The text with every fragment in its place, the innermost first."""

    def fill(match: re.Match[str]) -> str:
        if match[1] not in fragments:
            raise ValueError(
                f"{folder()}: statement {statement} asks for {match[0]}, and no fragment has that name."
            )
        piece = fragments[match[1]].replace("{it}", match[2] or "")
        return piece.replace("{this}", statement)

    while _PLACE.search(text):
        text = _PLACE.sub(fill, text)
    return text

"""load_final_config: one file, checked as a whole, as one frozen object."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import PrivateAttr, SecretStr, ValidationError

from pipeline_framework.config import connections, files, secrets, times, translation, yaml_text
from pipeline_framework.config.mistakes import Key, Mistake, Places, unknown_key
from pipeline_framework.config.models import Keys
from pipeline_framework.config.variables import Expansion
from pipeline_framework.errors import Misuse
from pipeline_framework.windows import CalendarGrid, FixedGrid, Granularity, Grid, TimeBack, instant_text

DEFAULT_URL = "sqlite:///control.db"
KNOWN = tuple(Keys.model_fields)
OWN = (
    "source",
    "stage",
    "target",
    "transforms",
    "settings",
    "airflow",
)  # keys that are not ours, all or some


class FinalConfig(Keys):
    """A pipeline file with everything filled in; made by `load_final_config`.

    `file` is the configuration, `state_folder` where relative paths of what a pipeline writes begin;
    None when they may begin nowhere.
    """

    file: Path
    state_folder: Path | None
    _places: Places = PrivateAttr(default_factory=Places)

    @classmethod
    def of(cls, values: Mapping[str, Any], file: Path, places: Places) -> "FinalConfig":
        """The configuration of a tree of `Keys`; raises pydantic's `ValidationError`."""
        config = cls(**values, file=file, state_folder=_state_folder(file.parent))
        config._places = places
        return config

    @property
    def folder(self) -> Path:
        """The folder of the configuration file: relative input paths begin there."""
        return self.file.parent

    def in_fleeting_folder(self) -> "FinalConfig":
        """The same for a file whose folder is taken away later: nothing that is kept may lie beside it."""
        named = Path(os.environ.get("PIPELINE_STATE_DIR", "")).expanduser()
        return self.model_copy(update={"state_folder": named if named.is_absolute() else None})

    @property
    def zone(self) -> ZoneInfo:
        """The timezone of days, weeks and times without an offset."""
        return ZoneInfo(self.timezone)

    @property
    def window_grid(self) -> Grid:
        """The rule that cuts time into windows."""
        length = Granularity.parse(self.granularity)
        if self.grid == "fixed":
            return FixedGrid(length, self.week_start)
        return CalendarGrid(length, self.zone, self.start.astimezone(self.zone).date(), self.week_start)

    @property
    def time_back(self) -> TimeBack:
        """The stability lag."""
        return TimeBack.parse(self.x_time_back)

    def tolerated(self, rows: int) -> int:
        """How many of so many rows may be put aside."""
        most = self.max_bad_rows
        return most if isinstance(most, int) else int(rows * Decimal(most.rstrip("%")) / 100)

    @property
    def default_record(self) -> dict[str, str]:
        """What every row of the control table carries."""
        return {name: getattr(self, name) for name in ("source_name", "target_name", "pipeline_id")}

    @property
    def control_url(self) -> str:
        """Address of the control database, password included, looked up anew each time.

        Raises `Misuse` when `control.conn_id` is known nowhere; the message says what to export.
        """
        return self.control_found.url.get_secret_value()

    @property
    def control_found(self) -> connections.Found:
        """The same address as a secret, and who gave it: a key of the file, or a variable's name."""
        try:
            answer = self._control_answer()
            url = connections.placed(answer.url.get_secret_value(), self.state_folder)
        except ValueError as error:
            raise self.misuse(("control", "conn_id" if self.control.conn_id else "url"), str(error)) from None
        return answer._replace(url=SecretStr(url))

    def _control_answer(self) -> connections.Found:
        if self.control.conn_id:
            return connections.found(self.control.conn_id)
        by = "control.url" if self.control.url else "default"
        return connections.Found(self.control.url or SecretStr(DEFAULT_URL), by)

    def instant(self, text: str, name: str = "time") -> datetime:
        """A time of the command line as UTC; `Misuse` naming the option. Local time without an offset."""
        try:
            return times.instant(text, self.zone)
        except ValueError as error:
            raise Misuse(f"{name}: {error}") from None

    def misuse(self, key: Key, problem: str) -> Misuse:
        """An error about one key of this file, with its line; `problem` is a full sentence."""
        return self.all_misuse([Mistake(key, problem)])

    def all_misuse(self, mistakes: Iterable[Mistake]) -> Misuse:
        """One error about several keys of this file, one line each."""
        return self._places.misuse(mistakes)

    def for_functions(self) -> dict[str, Any]:
        """What the functions of an implementation get as final_config: plain values, own settings in clear.

        Times are ISO-8601 UTC. Nothing of `control` is in it.
        """
        plain = shown(self)
        del plain["control"], plain["settings"]
        return {**secrets.revealed(self.settings), **plain, "default_record": self.default_record}


def shown(config: FinalConfig) -> dict[str, Any]:
    """Every key with its value or default, for YAML and people: secrets hidden, times ISO-8601 UTC."""
    values = config.model_dump(include=set(KNOWN))
    told: dict[str, Any] = {name: instant_text(values[name]) for name in ("start", "end") if values[name]}
    if config.control.url:  # no secret as a whole, unlike a password that looks like an address
        told["control"] = {**values["control"], "url": secrets.safe(config.control.url.get_secret_value())}
    return dict(secrets.hidden({**values, **told}))


def load_final_config(path: str | Path | None = None) -> FinalConfig:
    """Read and check a pipeline file (YAML, JSON or TOML).

    `path`: default is what PIPELINE_CONFIG names, else `pipeline.yml` in the working directory.
    Raises `Misuse` with every mistake of the file, one per line: file, line, key, remedy.
    """
    document = files.read(path or os.environ.get("PIPELINE_CONFIG") or "pipeline.yml")
    expansion = Expansion(os.environ)
    values = expansion.expanded(document.values)
    known, unknown = _sorted_out(values, expansion.secret)
    places = Places(document.name, document.lines, {**expansion.written, **secrets.blots(known)})
    earlier = [*document.mistakes, *expansion.mistakes, *unknown]
    answer = _checked(known, document.file, places)
    if isinstance(answer, FinalConfig) and not earlier:
        return answer
    told = {mistake.key for mistake in earlier}
    later = answer if isinstance(answer, list) else []
    raise places.misuse([*earlier, *(mistake for mistake in later if mistake.key not in told)])


def _sorted_out(values: Mapping[str, Any], secret: set[Key]) -> tuple[dict[str, Any], list[Mistake]]:
    """The known keys, with secrets concealed where keys are a system's own; the others as mistakes."""
    unknown = [unknown_key((name,), KNOWN) for name in values if name not in KNOWN]
    known = {name: value for name, value in values.items() if name in KNOWN}
    own = {name: secrets.concealed(known[name], secret, (name,)) for name in OWN if name in known}
    return {**known, **own}, unknown


def _checked(values: dict[str, Any], file: Path, places: Places) -> FinalConfig | list[Mistake]:
    try:
        return FinalConfig.of(values, file, places)
    except ValidationError as error:
        return list(translation.mistakes(error, example=_example, known=_siblings))


def _state_folder(folder: Path) -> Path:
    named = os.environ.get("PIPELINE_STATE_DIR")
    return folder / Path(named).expanduser() if named else folder


def _example(key: Key) -> str:
    field = translation.field_at(Keys, key)
    if not field or not field.examples or isinstance(key[-1], int):
        return ""
    return f"{key[-1]}: {yaml_text.written(field.examples[0])}"


def _siblings(key: Key) -> Sequence[str]:
    field = translation.field_at(Keys, key)
    inner = translation.model_of(field)
    return tuple(inner.model_fields) if inner else KNOWN

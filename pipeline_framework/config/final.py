"""load_final_config: one file, checked as a whole, as one frozen object."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import PrivateAttr, ValidationError

from pipeline_framework.config import connections, files, secrets, times, translation
from pipeline_framework.config.mistakes import Key, Mistake, Places, unknown_key
from pipeline_framework.config.models import Keys
from pipeline_framework.config.variables import Expansion
from pipeline_framework.errors import Misuse
from pipeline_framework.windows import CalendarGrid, FixedGrid, Granularity, Grid, TimeBack

DEFAULT_URL = "sqlite:///control.db"
KNOWN = tuple(Keys.model_fields)


class FinalConfig(Keys):
    """A pipeline file with everything filled in; made by `load_final_config`.

    `file` is the configuration, `state_folder` where relative paths of what a pipeline writes begin.
    """

    file: Path
    state_folder: Path
    _places: Places = PrivateAttr(default_factory=Places)

    @property
    def folder(self) -> Path:
        """The folder of the configuration file: relative input paths begin there."""
        return self.file.parent

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

    @property
    def default_record(self) -> dict[str, str]:
        """What every row of the control table carries."""
        return {
            "source_name": self.source_name,
            "target_name": self.target_name,
            "pipeline_id": self.pipeline_id,
        }

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
            raise self.misuse(("control", "conn_id"), str(error)) from None
        return answer._replace(url=secrets.SecretStr(url))

    def _control_answer(self) -> connections.Found:
        if self.control.conn_id:
            return connections.found(self.control.conn_id)
        by = "control.url" if self.control.url else "default"
        return connections.Found(self.control.url or secrets.SecretStr(DEFAULT_URL), by)

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
    times_shown = {
        name: f"{values[name].isoformat().replace('+00:00', 'Z')}"
        for name in ("start", "end")
        if values[name]
    }
    return dict(secrets.hidden({**values, **times_shown}))


def load_final_config(path: str | Path | None = None) -> FinalConfig:
    """Read and check a pipeline file (YAML, JSON or TOML).

    `path`: default is what PIPELINE_CONFIG names, else `pipeline.yml` in the working directory.
    Raises `Misuse` with every mistake of the file, one per line: file, line, key, remedy.
    """
    document = files.read(path or os.environ.get("PIPELINE_CONFIG") or "pipeline.yml")
    expansion = Expansion(os.environ)
    values = expansion.expanded(document.values)
    known, unknown = _sorted_out(secrets.concealed(values, expansion.secret))
    places = Places(document.name, document.lines, {**expansion.written, **secrets.blots(known)})
    found = [*document.mistakes, *expansion.mistakes, *unknown]
    config, wrong = _checked(known, document.file)
    already = {mistake.key for mistake in found}
    found += [mistake for mistake in wrong if mistake.key not in already]
    if config is None or found:
        raise places.misuse(found)
    config._places = places
    return config


def _sorted_out(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    unknown = [unknown_key((name,), KNOWN) for name in values if name not in KNOWN]
    return {name: value for name, value in values.items() if name in KNOWN}, unknown


def _checked(values: dict[str, Any], file: Path) -> tuple[FinalConfig | None, list[Mistake]]:
    try:
        return FinalConfig(**values, file=file, state_folder=_state_folder(file.parent)), []
    except ValidationError as error:
        return None, list(translation.mistakes(error, example=_example, known=_siblings))


def _state_folder(folder: Path) -> Path:
    named = os.environ.get("PIPELINE_STATE_DIR")
    return folder / Path(named).expanduser() if named else folder


def _example(key: Key) -> str:
    field = translation.field_at(Keys, key)
    if not field or not field.examples or isinstance(key[-1], int):
        return ""
    return yaml.safe_dump({str(key[-1]): field.examples[0]}, default_flow_style=None, width=200).strip()


def _siblings(key: Key) -> Sequence[str]:
    field = translation.field_at(Keys, key)
    inner = translation.model_of(field)
    return tuple(inner.model_fields) if inner else KNOWN

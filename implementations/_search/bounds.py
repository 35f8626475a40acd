"""Windows as queries: how a time field is compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from implementations._search.mapping import leaf
from implementations._search.server import Part
from implementations.reading.times import microseconds
from pipeline_framework.errors import Misuse
from pipeline_framework.windows import Window

Unit = Literal["s", "ms", "us", "ns"]
PER_SECOND: Mapping[Unit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NUMBERS = {"long", "integer", "unsigned_long", "double", "float"}


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """How a time field is compared: its type in the mapping, and what its numbers count from 1970."""

    name: str
    kind: str
    unit: Unit | None = None

    @classmethod
    def of(
        cls, name: str, properties: Mapping[str, Any], unit: Unit | None, where: str, part: Part = "source"
    ) -> "TimeBounds":
        """The time field of a mapping; `Misuse` where it is missing or holds no times."""
        kind = leaf(properties, name).get("type")
        if kind in {"date", "date_nanos"} or (kind in _NUMBERS and unit):
            return cls(name, str(kind), unit)
        if kind is None or name not in properties:
            raise Misuse(f"{where} has no field {name} at the top: correct `{part}.time_field`.")
        counted = kind in _NUMBERS and part == "source"
        remedy = "declare `source.time_unit` (s, ms, us or ns)" if counted else "name another"
        key = "" if counted else f" with `{part}.time_field`"
        raise Misuse(f"The time field {name} of {where} is {kind}, not a date: {remedy}{key}.")

    def within(self, window: Window) -> dict[str, Any]:
        """The query for start <= time < end."""
        bounds = {"gte": self._bound(window.start), "lt": self._bound(window.end)}
        # Said here, because the field's own format may be any.
        told = {"format": "strict_date_optional_time_nanos"} if self.kind.startswith("date") else {}
        return {"range": {self.name: {**bounds, **told}}}

    def _bound(self, instant: datetime) -> str | int | float:
        if self.kind == "date" and instant.microsecond % 1000:
            raise Misuse(
                f"The time field {self.name} keeps milliseconds and the window begins or ends at {instant}: "
                "take a granularity of whole milliseconds."
            )
        if self.kind.startswith("date"):
            return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
        whole, rest = divmod(microseconds(instant) * PER_SECOND[self.unit or "ms"], 10**6)
        return whole + rest / 10**6 if rest else whole

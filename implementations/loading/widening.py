"""Which SQL numbers fit unchanged into which; the same in every database that has the types."""

import re
from dataclasses import dataclass

_INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20, 128: 39}
_FLOATS = {"FLOAT": 24, "DOUBLE": 53}


@dataclass(frozen=True, slots=True)
class Number:
    """What a type holds exactly: `whole` digits before the point, `broken` behind it, or bits."""

    bits: int = 0
    signed: bool = True
    float_bits: int = 0
    whole: int = 0
    broken: int = 0


def number(kind: str) -> Number | None:
    """The number that a type's name means, None for other types."""
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return Number(whole=int(found[1]) - int(found[2]), broken=int(found[2]))
    if kind in _FLOATS:
        return Number(float_bits=_FLOATS[kind])
    signed, name = not kind.startswith("U"), kind.removeprefix("U")
    return Number(_INTEGERS[name], signed, whole=_DIGITS[_INTEGERS[name]]) if name in _INTEGERS else None


def fits(staged: Number, column: Number) -> bool:
    """Whether every number of one type is exactly a number of the other."""
    if staged.float_bits:
        return column.float_bits >= staged.float_bits
    if column.float_bits:
        return 0 < staged.bits <= column.float_bits
    if column.bits:
        room = column.bits - (column.signed and not staged.signed)
        return 0 < staged.bits <= room and (column.signed or not staged.signed)
    return column.whole >= staged.whole and column.broken >= staged.broken

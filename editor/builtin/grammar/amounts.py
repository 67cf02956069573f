"""How much: levels and numbers to an amount in the operation's own unit, checked against its limits."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import Operation
from editor.builtin.grammar.lexicon import LEXICON
from editor.builtin.grammar.messages import Beyond, Contradiction, chinese, say, unit
from editor.builtin.grammar.numbers import Number

_WORDS = {"halve": 0.5, "half": 0.5, "double": 2.0, "triple": 3.0, "third": 1 / 3, "quarter": 0.25}
_KELVIN = (
    "A colour temperature in kelvin belongs to a raw file; for a photo say warmer or cooler, "
    "or make it warmer by 20 %."
)
MAXIMUM = 3
"""The level of "completely"."""


@dataclass(frozen=True, slots=True)
class Much:
    """What the words say about the amount: a level 0..3 (None: not said), a number, and whether it is a target."""

    level: int | None = None
    number: Number | None = None
    to: bool = False
    directed: bool = False


def as_number(value: Number | str) -> Number:
    """A number token's value; words such as "half" are factors."""
    if isinstance(value, Number):
        return value
    return Number(_WORDS[value], "x", name="of" if value == "halve" else "")


def resolve(name: str, sign: int, much: Much, bias: int = 0) -> tuple[str, float]:
    """The operation and its amount. A brightness given in stops or as a factor becomes an exposure.

    Raises CannotDo when the amount is beyond the operation's limits, NotUnderstood for a unit it does not have.
    """
    stated = much.number
    if (
        name == "brightness"
        and stated
        and (stated.unit == "EV" or (stated.unit == "x" and (stated.value > 1 or stated.name)))
    ):
        name = "exposure"
    row = OPERATIONS[name]
    value = _level(row, sign, much.level, bias) if stated is None else _number(row, sign, stated, much)
    return name, checked(row, value)


def checked(row: Operation, value: float) -> float:
    """The value, or CannotDo naming the limits."""
    low, high = row.limits
    if not low - 1e-9 <= value <= high + 1e-9:
        raise _beyond(row, value)
    return float(value)


def label(name: str) -> str:
    """An operation's name for people."""
    if chinese():
        for kind in ("prop", "look", "action", "symptom", "quality"):
            for phrase in LEXICON[kind].get(name, "").split("|"):
                if phrase and not phrase.isascii():
                    return phrase
    return name.replace("_", " ")


def _beyond(row: Operation, value: float) -> Beyond:
    return Beyond(
        say("The amount of {} goes from {:g} to {:g} ({}); {:g} is beyond.", label(row.name), *row.limits,
            unit(row.unit), value)
    )  # fmt: skip


def _level(row: Operation, sign: int, level: int | None, bias: int) -> float:
    at = (1 if level is None else level) + bias
    if at >= MAXIMUM:
        size = min(1.0, row.limits[1]) if row.unit.startswith(("strength", "share")) else row.levels[2]
    else:
        size = row.levels[max(0, at)]
    if row.unit == "exponent":
        return size if sign > 0 else 1 / size
    return size if row.name == "posterize" else sign * size


def _number(row: Operation, sign: int, stated: Number, much: Much) -> float:
    value = stated.value
    if stated.signed and much.directed and value < 0:
        raise Contradiction(say("“{:g}” contradicts the direction given for {}.", value, label(row.name)))
    if row.unit in ("EV", "exponent", "degrees", "levels"):
        return _in_units(row, sign, stated, much)
    if stated.unit == "%":
        share = value / 100
    elif stated.unit == "x":
        return _factor(row, sign, stated, much.to)
    elif stated.unit == "":
        share = _bare(row, stated, much)
        if (
            much.to
            and row.name == "saturation"
            and not much.directed
            and not stated.signed
            and 0 <= value <= 1
        ):
            return value - 1
    else:
        raise _wrong_unit(row, stated)
    if much.to and row.limits[0] < 0 and (value > 100 or not much.directed) and stated.unit == "%":
        return share - 1
    return sign * share


def _bare(row: Operation, stated: Number, much: Much) -> float:
    """A number without a unit: up to 1 as it is, from 2 on the usual -100..100 of photo programs."""
    value = stated.value
    if abs(value) <= 1:
        return value
    if abs(value) >= 2:
        return value / 100
    if much.to and row.limits[0] < 0:
        return value - 1
    raise _beyond(row, value)


def _factor(row: Operation, sign: int, stated: Number, to: bool) -> float:
    if row.limits[0] >= 0:
        if stated.value > 1:
            raise _wrong_unit(row, stated)
        return stated.value
    if stated.value > 1 or stated.name:
        if sign < 0 and not stated.name:
            raise _wrong_unit(row, stated)
        return stated.value - 1
    spoken = stated.value in (1 / 3, 0.25) and not to  # "by a quarter"
    return sign * (stated.value if sign > 0 or spoken else 1 - stated.value)


def _in_units(row: Operation, sign: int, stated: Number, much: Much) -> float:
    value, unit = stated.value, stated.unit
    wanted = {"EV": "EV", "degrees": "deg", "levels": "levels", "exponent": ""}[row.unit]
    if unit in (wanted, ""):
        if row.unit == "exponent":
            return value if sign > 0 or much.to else 1 / value if value else 0.0
        return value if row.unit == "levels" else sign * value
    factor = {
        "%": 1 + sign * value / 100,
        "x": value if value > 1 or sign > 0 or stated.name else 1 - value,
    }.get(unit)
    if row.unit in ("degrees", "levels") or factor is None or factor <= 0:
        raise _wrong_unit(row, stated)
    return log2(factor) if row.unit == "EV" else factor


def _wrong_unit(row: Operation, stated: Number) -> Contradiction:
    if stated.unit == "K" and row.name in ("temperature", "white_balance"):
        return Contradiction(say(_KELVIN))
    mark = {"%": " %", "deg": "°", "x": " times", "": ""}.get(stated.unit, " " + stated.unit)
    said = ":".join(map(str, stated.parts)) or f"{stated.value:g}{mark}"
    return Contradiction(say("{} is given in {}, not as “{}”.", label(row.name), unit(row.unit), said))

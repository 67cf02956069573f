"""Plant sentences: symptoms by name, or a colour said of a leaf, its margins, its tips or between its veins."""

from __future__ import annotations

from typing import Any

from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import WHOLE, Op
from editor.builtin.grammar.amounts import Much, resolve
from editor.builtin.grammar.clause import Clause, unknown_words
from editor.builtin.grammar.numbers import Number

_LEAFY = {"leaf", "foliage", "grass", "some leaves"}
PLANT = _LEAFY | {"flower", "fruit"}
_BY_COLOR = {"yellow": "yellowing", "gold": "yellowing", "purple": "purpling", "violet": "purpling",
             "brown": "browning", "green": "greening"}  # fmt: skip
_SIGNS = ("margin", "tip", "between", "dry", "brownish", "pale", "healthy", "symptom")
_PALE_WORDS = {"pale", "light", "lighter", "paler"}


_FROM_GREEN = {"yellowing", "browning", "paling"}
"""Signs of which less is more green."""


def plant(clause: Clause) -> list[Op] | None:
    """A plant operation, or None when the clause does not speak of a plant."""
    leafy = any(clause.tokens[i].value in _LEAFY for i in clause.at("region"))
    if clause.has("recolor", "quote") or not (leafy or clause.has(*_SIGNS)):
        return None
    if _elsewhere(clause) or _other_operation(clause):
        return None
    name = _operation(clause, leafy)
    if name is None:
        return None
    if counted := [i for i in clause.at("num") if _counts(clause, i)]:
        raise unknown_words([clause.slice(i, i + 1) for i in counted])
    less = name in _FROM_GREEN and bool(clause.take("down", "too"))
    params = _consume(clause, name)
    sign, directed = clause.direction()
    if sign < 0:
        return None
    name = "greening" if less else name
    row = OPERATIONS[name]
    much = clause.much(directed)
    region = clause.region() or (WHOLE if clause.masked else row.region)
    if region.kind == "place":  # the edges of a leaf are its margin, which the operation finds by itself
        region = row.region
    return [Op(name, resolve(name, 1, Much(much.level, much.number))[1], region, params)]


def _counts(clause: Clause, place: int) -> bool:
    """ "make 3 leaves yellow": a number of things, not how much."""
    after, number = clause.after(place), clause.tokens[place].value
    return isinstance(number, Number) and not number.unit and after is not None and after.kind == "region"


def _other_operation(clause: Clause) -> bool:
    """Whether a tone, colour or detail operation is named; "dark" in "dark red spots" is none."""
    shades = {first for first, last, _ in clause.color_groups() if first != last}
    return bool(set(clause.at("prop", "quality", "look", "action")) - shades)


def _elsewhere(clause: Clause) -> bool:
    """Whether the clause speaks of something that is no plant; "healthy and green" ground is covered with plants."""
    named = {clause.tokens[i].value for i in clause.at("region")}
    grown = {"ground"} if clause.has("healthy") else set()
    return bool(named - PLANT - grown) or (clause.has("word") and not clause.masked and not named)


def _operation(clause: Clause, leafy: bool) -> str | None:
    colors = {clause.tokens[i].value for i in clause.at("color", "colorish")}
    edges = leafy and any(clause.tokens[i].value == "edges" for i in clause.at("place"))
    pale = clause.has("pale") or (
        leafy and any(clause.tokens[i].text in _PALE_WORDS for i in clause.at("shade"))
    )
    dry = clause.has("dry", "brownish") or "brown" in colors
    if symptoms := clause.at("symptom"):
        name = str(clause.tokens[symptoms[0]].value)
        if clause.has("margin", "tip") or edges:
            return {"yellowing": "margin_chlorosis", "browning": "tip_burn"}.get(name, name)
        return name
    if clause.has("between"):
        return "interveinal_chlorosis" if "yellow" in colors or pale or clause.has("look") else None
    if clause.has("margin", "tip") or edges:
        if dry:
            return "tip_burn"
        return "margin_chlorosis" if "yellow" in colors or pale else None
    if clause.has("healthy"):
        return "greening"
    target = [clause.tokens[i] for i in clause.at("color", "colorish")][-1:]
    if pale and not (target and target[0].value != "green"):
        return "paling" if leafy or clause.masked else None
    if clause.has("dry", "brownish") or (dry and leafy):
        return "browning"
    if not target or not leafy:
        return None
    after = clause.after(clause.tokens.index(target[0]))
    if after and after.kind in ("region", "word"):  # "the green leaf": the colour belongs to the noun
        return None
    return _BY_COLOR.get(target[0].value)


def _consume(clause: Clause, name: str) -> dict[str, Any]:
    """Use up the words of the sign; the colour of spots is a parameter."""
    params: dict[str, Any] = {}
    colors = clause.at("color", "colorish")
    groups = clause.color_groups()
    if name == "spots" and groups:
        first, last, params["color"] = groups[0]
        clause.used.update(range(first, last))
    natural = [i for i in colors if _natural(clause, i)] if len(colors) > 1 else []
    clause.head(clause.at(*_SIGNS))
    clause.head(i for i in colors if i not in natural)
    clause.take("add", "shade", "tintword")
    if name == "interveinal_chlorosis":
        clause.take("vein")
    if name == "spots":  # small is what they are
        small = [i for i in clause.at("bigger") if clause.tokens[i].value < 0]
        clause.used.update(small)
        if small and params.get("color", "brown") != "brown":
            params["fine"] = True
    if name == "greening":  # "dark green leaves" are healthy ones
        clause.used.update(i for i in clause.at("quality") if clause.tokens[i].text == "dark")
    clause.used.update(i for i in clause.at("place") if clause.tokens[i].value == "edges")
    return params


def _natural(clause: Clause, place: int) -> bool:
    """ "green" in "the green leaf"."""
    after = clause.after(place)
    return bool(after and after.kind == "region" and clause.tokens[place].value == "green")

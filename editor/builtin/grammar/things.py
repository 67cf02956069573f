"""Requests about the scene rather than the picture: things to add, and light that comes from somewhere.

They use the words of tone and colour ("add a soft shadow", "add white clouds", "warm light from the left"), and would
be carried out as something else by operations that know only pictures.
"""

from __future__ import annotations

from editor.builtin.core import Op
from editor.builtin.grammar.clause import Clause, cannot

_CAST = {"shadow", "shadows", "highlight", "highlights", "阴影", "高光"}
"""What light leaves on things; "dark parts", "shadow detail" are said of tones only."""
_CLOUDS = {"clouds", "cloudy sky", "云", "云彩", "云层"}
_DESCRIBING = {"det", "degree", "stop", "up", "quality", "color", "colorish", "shade", "pale", "dry", "brownish",
               "healthy", "thick", "bigger"}  # fmt: skip
"""Kinds that stand between "add" and the thing."""
_COMPOUND = {"prop", "quality", "action", "look", "symptom", "margin", "tip", "vein", "between"}
"""Kinds that make a thing before them an attribute: "add leaf yellowing"."""
NAMESAKES = {"orange", "lime", "lemon", "olive", "peach", "plum", "rose", "salmon", "coral", "violet",
             "lavender"}  # fmt: skip
"""Colours that are called like a thing: "turn the apple into an orange"."""
_LIT = {"brightness", "temperature", "glow", "golden_hour", "shadows"}


def refuse_additions(clause: Clause) -> None:
    """Raise CannotDo for "add red flowers"; backdrops and the bare sky can be given another colour."""
    for i in clause.at("prop", "region"):
        token, after = clause.tokens[i], clause.after(i)
        thing = token.text in _CAST if token.kind == "prop" else _is_thing(token.value, token.text)
        if thing and not (after and after.kind in _COMPOUND) and _is_added(clause, i):
            raise cannot("add")


def _is_thing(name: str, text: str) -> bool:
    return name != "background" and (name != "sky" or text in _CLOUDS)


def _is_added(clause: Clause, place: int) -> bool:
    while place and clause.tokens[place - 1].kind in _DESCRIBING:
        place -= 1
    return place > 0 and clause.tokens[place - 1].kind == "add"


def side_light(clause: Clause) -> list[Op] | None:
    """Refuse "soft light from the window", "brighten it from the left": no part of the photo is named there."""
    for i, token in enumerate(clause.tokens):
        after = clause.after(i)
        if after and after.kind == "det":
            after = clause.after(i + 1)
        if after is None or after.kind not in ("place", "word", "region"):
            continue
        if token.text == "light from" or (
            token.text in ("from", "from the", "从") and after.kind == "place" and _speaks_of_light(clause)
        ):
            raise cannot("light")
    return None


def _speaks_of_light(clause: Clause) -> bool:
    heads = clause.at("action", "quality", "look")
    return any(str(clause.tokens[i].value).strip("-<") in _LIT for i in heads)

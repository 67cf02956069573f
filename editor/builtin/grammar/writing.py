"""Text and watermarks: what stands in quotation marks, where, in which colour and how large."""

from __future__ import annotations

from typing import Any

from editor.base import NotUnderstood
from editor.builtin.core import WHOLE, Op
from editor.builtin.grammar.amounts import Much, resolve
from editor.builtin.grammar.clause import Clause, cannot, unknown_words
from editor.builtin.grammar.messages import say

MAX_TEXT = 500
_CHANGING = {"change", "turn", "modify", "alter", "edit", "改", "改成", "改为", "变成", "变为",
             "更改", "修改"}  # fmt: skip
_NO_TEXT = 'Put the words to write in quotation marks: write "HELLO" at the top.'
_TWO_TEXTS = "One text at a time, please: two quotations stand in one step."


def writing(clause: Clause) -> list[Op] | None:
    """A text or watermark operation, or None when the clause has no quotation and does not speak of one."""
    quotes = clause.at("quote")
    marks = clause.has("watermark")
    if not quotes and not marks and not clause.has("write"):
        return None
    if not quotes and clause.has("remove"):
        return None
    if len(quotes) != 1:
        raise NotUnderstood(say(_TWO_TEXTS if quotes else _NO_TEXT))
    if not (marks or clause.has("write", "textnoun", "add", "verb", "by")):
        raise NotUnderstood(say("A quotation alone is no step; say where to write it."))
    if clause.has("swap") or _speaks_of_text_there(clause, quotes[0]):
        raise cannot("replace")
    _refuse_surfaces(clause)
    words = clause.tokens[quotes[0]].value.strip()
    if not words or len(words) > MAX_TEXT:
        raise NotUnderstood(say("The text to write must have 1 to {} characters.", MAX_TEXT))
    clause.head(clause.at("quote", "write", "watermark"))
    clause.take("textnoun", "add", "opacity", "strength")
    name = "watermark" if marks else "text"
    params: dict[str, Any] = {"text": words, "position": _position(clause, name)}
    if _take_outline(clause):
        params["outline"] = True
    if groups := clause.color_groups():
        first, last, params["color"] = groups[-1]
        clause.used.update(range(first, last + 1))
    clause.used.update(i for i in clause.at("prop") if clause.tokens[i].text in ("color", "颜色"))
    sizes = clause.take("bigger")
    clause.used.update(i for i in clause.at("height") if name == "text")
    much = clause.much()
    if sizes and name == "text":
        much = Much(2 if sizes[0].value > 0 else 0, much.number)
    return [Op(name, resolve(name, 1, much)[1], WHOLE, params)]


def _speaks_of_text_there(clause: Clause, quote: int) -> bool:
    """ "change the text to “OPEN”": words that the photo shows are to become others."""
    named = any(clause.tokens[i].kind in ("textnoun", "write") for i in range(quote))
    return named and any(clause.tokens[i].text in _CHANGING for i in clause.at("verb"))


def _refuse_surfaces(clause: Clause) -> None:
    """ "on the sign", "a sign that says": a thing in the scene, which has its own shape and lies at an angle."""
    for i in clause.at("write"):
        before = clause.before(i)
        if before is None or before.kind != "det":
            continue
        lead = clause.before(i - 1)
        if clause.tokens[i].text in ("sign", "stamp") or (lead is not None and lead.kind == "of"):
            raise unknown_words([clause.tokens[i].text])


def _take_outline(clause: Clause) -> bool:
    """Use up "with a black outline", "黑边"; its colour is the editor's choice, whichever stands out."""
    edges = [i for i in clause.at("border") if clause.tokens[i].text in ("黑边", "白边")]
    edges += clause.at("outline")
    clause.used.update(edges)
    clause.used.update(i - 1 for i in edges if i and clause.tokens[i - 1].kind == "color")
    return bool(edges)


def _position(clause: Clause, name: str) -> str:
    if clause.take("tiled"):
        if name == "text":
            raise NotUnderstood(say("Only a watermark can be tiled."))
        return "tiled"
    clause.used.update(i for i in clause.at("axis"))
    places = [t.value for t in clause.take("place")]
    if not places:
        return "bottom" if name == "text" else "bottom-right"
    upright = [p for p in places if p in ("top", "bottom")]
    sideways = [p for p in places if p in ("left", "right")]
    if len(upright) == 1 and len(sideways) == 1:
        return f"{upright[0]}-{sideways[0]}"
    named = {p for p in places if p != "center"} or {"center"}
    if len(named) != 1 or named & {"corners", "edges"}:
        raise NotUnderstood(
            say("Name one place for the text: top, bottom, left, right, centre, or a corner.")
        )
    return str(named.pop())

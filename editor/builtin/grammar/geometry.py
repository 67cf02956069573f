"""Sentences about the frame: crop, aspect ratio, rotate, straighten, flip, resize, border."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from editor.base import NotUnderstood
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import WHOLE, Op
from editor.builtin.grammar.amounts import Much, as_number, checked, resolve
from editor.builtin.grammar.clause import Clause, unknown_words
from editor.builtin.grammar.messages import Beyond, say
from editor.builtin.grammar.numbers import Number
from editor.builtin.grammar.words import Token

_PORTIONS = {"half": 0.5, "半": 0.5, "third": 1 / 3}
"""Words for a side of the photo that say how much of it is meant."""
_TOO_LARGE = (
    "The built-in editor enlarges up to {:g} times and invents no detail; "
    "a diffusion editor can (--editor, see `reedit editors`)."
)
_TRIMMING = {"trim", "trims", "trimmed", "trimming"}
_SIDES = ("left", "right", "top", "bottom")


def geometry(clause: Clause) -> list[Op] | None:
    """A geometry operation, or None when the clause names none."""
    if clause.has("quote"):
        return None
    for frame in (_border, _straighten, _flip, _rotate, _resize, _aspect, _crop):
        ops = frame(clause)
        if ops is not None:
            return ops
    return None


def _take_number(clause: Clause, *units: str) -> Number | None:
    """Use up and return the only number of one of these units."""
    found = [i for i in clause.at("num") if as_number(clause.tokens[i].value).unit in units]
    if not found:
        return None
    if len(found) > 1:
        raise NotUnderstood(say("Two numbers of the same kind in one step."))
    clause.used.add(found[0])
    return as_number(clause.tokens[found[0]].value)


def _sign(clause: Clause) -> int:
    """Clockwise is positive, and so is "right"."""
    turns = [t.value for t in clause.take("turn")]
    places = [t.value for t in clause.take("place") if t.value in ("left", "right")]
    if -90 in turns or "left" in places:
        if 90 in turns or "right" in places:
            raise NotUnderstood(say("Left and right contradict each other."))
        return -1
    return 1


def _border(clause: Clause) -> list[Op] | None:
    borders = clause.at("border")
    if not borders or clause.has("remove", "crop", "down"):
        return None
    clause.head(borders)
    clause.take("add", "width")
    params: dict[str, Any] = {"color": "white"}
    if clause.tokens[borders[0]].text == "黑边":
        params["color"] = "black"
    if groups := clause.color_groups():
        first, last, params["color"] = groups[-1]
        clause.used.update(range(first, last + 1))
    level = {t.value for t in clause.take("thick")}
    level |= {2 if t.value > 0 else 0 for t in clause.take("bigger")}
    clause.used.update(i for i in clause.at("place") if clause.tokens[i].value == "edges")
    pixels = _take_number(clause, "px")
    much = clause.much()
    if pixels:
        params["pixels"] = round(pixels.value)
        much = Much()
    if level:
        much = Much(max(level), much.number)
    return [Op("border", resolve("border", 1, much)[1], WHOLE, params)]


def _straighten(clause: Clause) -> list[Op] | None:
    if not clause.has("straighten"):
        return None
    clause.head(clause.at("straighten"))
    clause.take("horizon")
    stated = _take_number(clause, "deg", "")
    value = _sign(clause) * stated.value if stated else 0.0
    clause.take("degree")
    return [Op("straighten", checked(OPERATIONS["straighten"], value), WHOLE)]


def _flip(clause: Clause) -> list[Op] | None:
    axes = clause.at("axis")
    whole = [i for i in axes if clause.tokens[i].text[-2:] in ("翻转", "镜像", "反转", "对调", "颠倒")]
    turned = [i for i in clause.at("turn") if clause.tokens[i].value == 180]
    if not clause.has("flip") and not whole:
        return None
    clause.head([*clause.at("flip"), *axes, *turned])
    if len({clause.tokens[i].value for i in axes}) > 1:
        raise NotUnderstood(say("Flip along one axis at a time."))
    axis = clause.tokens[axes[0]].value if axes else "vertical" if turned else "horizontal"
    return [Op("flip", 1.0, WHOLE, {"axis": axis})]


def _rotate(clause: Clause) -> list[Op] | None:
    degrees = any(as_number(clause.tokens[i].value).unit == "deg" for i in clause.at("num"))
    turned = any(clause.tokens[i].text in ("turn", "转") for i in clause.at("verb"))
    sideways = degrees and (turned or (clause.has("place") and clause.has("verb")))
    sideways = sideways or (turned and clause.has("photo") and _only_sideways(clause))
    if not clause.has("rotate", "turn") and not sideways:
        return None
    if clause.has("prop", "quality", "look", "crop"):
        return None
    turns = [clause.tokens[i].value for i in clause.at("turn")]
    clause.head(clause.at("rotate", "turn"))
    clause.take("axis")
    sign = -1 if -90 in turns else _sign(clause)
    stated = _take_number(clause, "deg", "")
    much = clause.much()
    if much.number:
        raise NotUnderstood(say("A rotation is given in degrees."))
    if stated:
        value = sign * stated.value
    elif much.level == 0:
        value = sign * OPERATIONS["rotate"].levels[0]
    else:
        value = 180.0 if 180 in turns else sign * 90.0
    return [Op("rotate", checked(OPERATIONS["rotate"], value), WHOLE)]


def _only_sideways(clause: Clause) -> bool:
    """ "turn the photo to the right": left or right, and nothing else."""
    sides = {clause.tokens[i].value for i in clause.at("place")}
    return len(sides) == 1 and sides <= {"left", "right"} and not clause.has("region", "word", "color", "num")


def _resize(clause: Clause) -> list[Op] | None:
    for i in clause.at("up"):  # "800 pixels high" is a height
        before = clause.before(i)
        if clause.tokens[i].text == "high" and before and _unit(before) == "px":
            clause.tokens[i] = replace(clause.tokens[i], kind="height")
    sized = any(t.kind == "by" and t.text == "size" for t in clause.tokens)
    scaled = (
        clause.has("bigger") and clause.has("photo", "pron") and not clause.has("region", "word", "place")
    )
    longest = any(clause.tokens[i].value == "longest" for i in clause.at("width"))
    units = _units(clause)
    edge = clause.has("width", "height") and ("px" in units or (longest and "" in units))
    _zoom_is_resizing(clause)
    exact = clause.has("verb") and clause.has("photo", "pron") and _units(clause) == {"size"}
    if not (clause.has("resize") or scaled or edge or exact or (sized and clause.has("num"))):
        return None
    if clause.has("crop", "prop", "look"):
        return None
    if longest:
        return [_longest(clause)]
    verbs = " ".join(clause.tokens[i].text for i in clause.at("resize"))
    clause.head(clause.at("resize", "bigger"))
    down = bool(clause.take("down")) or any(w in verbs for w in ("down", "shrink", "缩", "small"))
    down = down or any(t.kind == "bigger" and t.value < 0 for t in clause.tokens)
    grows = any(w in verbs for w in ("up", "enlarg", "放大")) or any(
        t.kind == "bigger" and t.value > 0 for t in clause.tokens
    )
    clause.take("up", "add", "pixelword")
    params: dict[str, Any] = {"width": None, "height": None}
    if size := _take_number(clause, "size"):
        clause.take("width", "height")
        params["width"], params["height"] = size.parts
    elif any(as_number(clause.tokens[i].value).unit in ("px", "") for i in clause.at("num")):
        _edge(clause, params)
    if params["width"] or params["height"]:
        _check_pixels(params)
        return [Op("resize", 1.0, WHOLE, params)]
    factor = _factor(clause.much(), grows and not down, down)
    if factor > (most := OPERATIONS["resize"].limits[1]):
        raise Beyond(say(_TOO_LARGE, most))
    factor = checked(OPERATIONS["resize"], factor)
    return [Op("resize", factor, WHOLE, params)]


def _longest(clause: Clause) -> Op:
    """ "longest side 2048 px", "长边2048"."""
    clause.head(clause.at("resize", "width"))
    clause.take("pixelword", "down", "up")
    stated = _take_number(clause, "px", "")
    if stated is None or not 1 <= stated.value <= 100_000:
        raise NotUnderstood(say("A size goes from 1 to 100000 pixels."))
    return Op("resize", 1.0, WHOLE, {"width": None, "height": None, "longest": round(stated.value)})


def _units(clause: Clause) -> set[str]:
    return {_unit(clause.tokens[i]) for i in clause.at("num")}


def _unit(token: Token) -> str:
    return as_number(token.value).unit if token.kind == "num" else ""


def _zoom_is_resizing(clause: Clause) -> None:
    """ "放大到两倍" is a size, "放大到脸部" a crop."""
    if not clause.has("region", "place", "word", "color") and _units(clause) & {"x", "%", "size", "px"}:
        for i in clause.at("crop"):
            if clause.tokens[i].text == "放大到":
                clause.tokens[i] = replace(clause.tokens[i], kind="resize")


def _edge(clause: Clause, params: dict[str, Any]) -> None:
    """ "1200 px wide", "height 800", "宽1200像素": one edge or both."""
    edges = clause.at("width", "height")
    for i in clause.at("num"):
        stated = as_number(clause.tokens[i].value)
        near = min(edges, key=lambda e: (abs(e - i), e < i), default=None)
        kind = clause.tokens[near].kind if near is not None else "width"
        if stated.unit not in ("px", "") or params[kind] is not None:
            raise NotUnderstood(say("The size is not clear; say for example: resize to 1200 px wide."))
        params[kind] = round(stated.value)
        clause.used.add(i)
    clause.take("width", "height")


def _check_pixels(params: dict[str, Any]) -> None:
    if not all(v is None or 1 <= v <= 100_000 for v in params.values()):
        raise NotUnderstood(say("A size goes from 1 to 100000 pixels."))


def _factor(much: Much, grows: bool, down: bool) -> float:
    if much.number is None:
        size = OPERATIONS["resize"].levels[min(2, 1 if much.level is None else much.level)]
        if not grows and not down:
            raise NotUnderstood(say("It is not said to what size."))
        return 1 / size if grows else size
    value = much.number.value
    if much.number.unit == "%":
        value /= 100
        if not much.to and (grows or down):
            value = 1 + value if grows else 1 - value
        return value
    if much.number.unit != "x":
        raise NotUnderstood(say("A size is given in pixels, in % or as a factor."))
    return 1 / value if down and value > 1 else value


def _aspect(clause: Clause) -> list[Op] | None:
    squares = clause.at("square")
    ratios = [i for i in clause.at("num") if as_number(clause.tokens[i].value).unit == "ratio"]
    if not squares and not ratios:
        return None
    if clause.has("prop", "look", "quality", "action", "region", "word"):
        return None
    clause.head([*squares, *ratios, *clause.at("crop", "aspect")])
    stated = None if squares else as_number(clause.tokens[ratios[0]].value)
    ratio = stated.parts if stated else clause.tokens[squares[0]].value
    if min(ratio) < 1 or not 0.05 <= ratio[0] / ratio[1] <= 20:
        raise NotUnderstood(say("An aspect ratio goes from 1:20 to 20:1."))
    clause.take("axis")
    params: dict[str, Any] = {"ratio": tuple(ratio)}
    if stated and stated.name == "print":
        params["print"] = True
    return [Op("aspect", 1.0, WHOLE, params)]


def _crop(clause: Clause) -> list[Op] | None:
    if not (clause.has("crop") or _cut_of_side(clause)):
        return None
    crops = clause.at("crop")
    if any(clause.tokens[i].text == "crops" for i in crops):  # what grows on a field
        raise unknown_words(["crops"])
    clause.head(crops or clause.at("down", "remove"))
    clause.take("down", "border")
    if size := _take_number(clause, "size"):
        params = {"width": size.parts[0], "height": size.parts[1]}
        _check_pixels(params)
        return [Op("crop", 0.0, WHOLE, params)]
    sides = [i for i in clause.at("place") if clause.tokens[i].value in _SIDES]
    away = (
        any(w in clause.tokens[i].text for i in crops for w in ("off", "out", "away", "掉", "去", "除"))
        or not crops
    )
    stated = any(as_number(clause.tokens[i].value).unit != "rect" for i in clause.at("num"))
    rims = all(clause.tokens[i].value in ("edges", "corners") for i in clause.at("place"))
    if stated or clause.has("degree") or (rims and not clause.has("region", "word", "color", "num")):
        return [_share(clause, sides)]
    if sides and (away or _from_side(clause, sides[0])):
        return [_share(clause, sides)]
    region = clause.region()
    trimmed = any(clause.tokens[i].text in _TRIMMING for i in crops)  # a hedge, hair: no frame
    if region is None or region.invert or away or (trimmed and region.kind != "place"):
        raise NotUnderstood(say("Say how much to cut off, from which side, or to what to crop."))
    return [Op("crop", 0.0, WHOLE, {"to": region})]


def _cut_of_side(clause: Clause) -> bool:
    """ "cut 10% from the left": a side, a share, and a word for less, but no property."""
    return (
        clause.has("down", "remove") and clause.has("place") and clause.has("num")
        and not clause.has("prop", "quality", "action", "look", "region", "word", "color", "colorish")
    )  # fmt: skip


def _from_side(clause: Clause, place: int) -> bool:
    before = clause.before(place)
    back = clause.before(place - 1) if before and before.kind == "det" else before
    return bool(back and back.text in ("from the", "from", "from every", "从"))


def _share(clause: Clause, sides: list[int]) -> Op:
    names = {clause.tokens[i].value for i in sides}
    clause.used.update(sides)
    clause.used.update(i for i in clause.at("place") if clause.tokens[i].value in ("edges", "corners"))
    if len(names) > 1 and len(names) != 4:
        raise NotUnderstood(say("Crop one side at a time, or all of them."))
    texts = {clause.tokens[i].text for i in sides}
    side = names.pop() if len(names) == 1 else "all"
    if pixels := _take_number(clause, "px"):
        clause.take("pixelword")
        return Op("crop", 0.0, WHOLE, {"side": side, "pixels": round(pixels.value)})
    much = clause.much()
    if much.number is None and much.level is None:
        said = next((share for word, share in _PORTIONS.items() if any(word in t for t in texts)), None)
        much = much if said is None else Much(number=Number(said, "x"))
    return Op("crop", resolve("crop", 1, much)[1], WHOLE, {"side": side})

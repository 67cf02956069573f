"""From a clause to operations: one function per family of sentences, tried in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from editor.base import CannotDo, NotUnderstood
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import WHOLE, Op, Region
from editor.builtin.grammar.amounts import Much, as_number, checked, label, resolve
from editor.builtin.grammar.clause import Clause, cannot, unknown_words
from editor.builtin.grammar.geometry import geometry
from editor.builtin.grammar.messages import Contradiction, say
from editor.builtin.grammar.plants import PLANT, plant
from editor.builtin.grammar.states import settle
from editor.builtin.grammar.things import NAMESAKES, refuse_additions, side_light
from editor.builtin.grammar.words import Token
from editor.builtin.grammar.writing import writing

Frame = Callable[[Clause], list[Op] | None]

_COLOR_WORDS = {"color", "colors", "颜色", "色彩"}
_ZONES = {"shadows", "highlights", "blacks", "whites"}
_SKIN = {"skin", "face"}
_EVEN = {"pure", "solid", "plain", "纯"}
_COLORIZING = {"colorize", "colorizes", "colorized", "colorizing", "color in", "上色", "重新上色"}
_PEOPLE = {"me", "us", "them", "him", "her", "his"}
_LIGHT = {"light", "lighting", "光线"}
_INVERSE = {"grain": "denoise", "denoise": "grain", "sharpen": "blur", "blur": "sharpen", "fog": "dehaze"}
_AXIS = {
    "blue": ("temperature", -1), "cyan": ("temperature", -1), "teal": ("temperature", -1),
    "navy": ("temperature", -1),
    "yellow": ("temperature", 1), "orange": ("temperature", 1), "gold": ("temperature", 1), "green": ("tint", -1),
    "lime": ("tint", -1), "magenta": ("tint", 1), "pink": ("tint", 1), "purple": ("tint", 1), "violet": ("tint", 1),
    "red": ("temperature", 1),
}  # fmt: skip
"""Which axis of the white balance moves a picture towards a colour."""
_DUOTONE = {"duotone", "dual tone", "双色调", "双色"}
_COMPARING = {"more", "even more", "更", "更加", "再", "up", "down"}
_WEATHER = {"foggy", "misty", "rainy", "snowy"}
_WIDE_OPEN = 2.0
"""F-numbers up to this blur a background strongly."""
_TINGE = (0.2, 0.35, 0.6, 1.0)
"""Strength of a recolouring that only leans towards a colour: slightly, plain, strongly, completely."""


def interpret(clause: Clause) -> list[Op]:
    """The operations of one clause, every word accounted for. Raises NotUnderstood or CannotDo."""
    if all(t.kind in ("stop", "det", "sep") for t in clause.tokens):
        raise NotUnderstood(say("There is nothing to do in this instruction."))
    _refuse_early(clause)
    settle(clause)
    _burn_in(clause)
    for frame in FRAMES:
        ops = frame(clause)
        if ops is not None:
            clause.finish()
            return ops
    raise _no_operation(clause)


def _refuse_early(clause: Clause) -> None:
    """Negations, wishes without a measure, and what only a generating editor can do."""
    quoted = clause.has("quote")
    if not quoted and (beyond := clause.at("cannot")):
        raise cannot(clause.tokens[beyond[0]].value)
    _refuse_colorizing(clause)
    if not quoted:
        refuse_additions(clause)
    _take_lack(clause)
    if negations := clause.at("not"):
        raise NotUnderstood(
            say("A step must say what to do; “{}” says what not to do.", clause.tokens[negations[0]].text)
        )
    if vague := clause.at("abstract"):
        raise unknown_words([clause.tokens[i].text for i in vague])


def _refuse_colorizing(clause: Clause) -> None:
    """ "Colorize the photo", "给照片上色": without a colour it asks for colours that the photo does not show."""
    asked = any(clause.tokens[i].text in _COLORIZING for i in clause.at("recolor"))
    if asked and not clause.color_groups():
        raise cannot("colorize")


def _take_lack(clause: Clause) -> None:
    """ "not bright enough", "颜色不鲜艳": a lack, as in "not enough light"."""
    for i in clause.at("not"):
        after = clause.after(i)
        if after is None or after.kind != "quality" or clause.has("verb", "ba"):
            continue
        if clause.tokens[i].text == "不" or (
            clause.tokens[i].text in ("not", "isn't") and clause.has("enough")
        ):
            _replace(clause, i, "enough", "")


def _no_operation(clause: Clause) -> Exception:
    things = clause.at("region", "word", "color", "place")
    unknown = [clause.tokens[i].text for i in clause.at("word")]
    if clause.has("add") and clause.has("word", "region"):
        return cannot("add")
    if clause.has("swap") and things:
        return cannot("replace")
    if unknown and clause.tokens[0].text in ("put", "give", "place"):
        return cannot("add")
    if unknown:
        return unknown_words(unknown)
    return NotUnderstood(say("No operation is named in “{}”.", clause.slice(0, len(clause.tokens) - 1)[:80]))


# colours ------------------------------------------------------------------------------------------------------


def color_pop(clause: Clause) -> list[Op] | None:
    """Keep one region in colour: "keep only the red bowl in colour", "除红色的碗以外变成黑白"."""
    pops = [i for i in clause.at("action") if clause.tokens[i].value == "color_pop"]
    grey = [i for i in clause.at("action") if clause.tokens[i].value in ("black_and_white", "-saturation")]
    if clause.leaves_out():  # "make everything grey except the grey cat"
        greys = [i for i in clause.at("color") if clause.tokens[i].value == "grey"]
        grey += [
            i for i in greys if (before := clause.before(i)) and before.kind in ("verb", "photo", "pron")
        ]
    fully = any(clause.tokens[i].value in ("black_and_white", "grey") for i in grey) or any(
        clause.tokens[i].value == 3 for i in clause.at("degree")
    )
    kept = clause.has("only") and clause.has("keep", "incolor") and not clause.has("quality", "look")
    if pops:
        clause.head(pops)
    elif grey and fully and clause.leaves_out():
        clause.head(grey)
    elif kept and not grey and not _other_heads(clause):
        clause.head(clause.at("only", "keep"))
    else:
        return None
    clause.take("keep", "only", "incolor", "unchanged", "add", "recolor")
    clause.used.update(i for i in clause.at("prop") if clause.tokens[i].text in _COLOR_WORDS)
    much = clause.much()
    region = clause.region()
    if region is None and not clause.masked:
        raise NotUnderstood(say("It is not said which part keeps its colour."))
    region = region or WHOLE
    plain = replace(region, invert=False)
    return [Op("color_pop", resolve("color_pop", 1, much)[1], plain)]


def _other_heads(clause: Clause) -> bool:
    """Whether the clause names an operation besides colours; "dark" in "dark blue" is none."""
    shades = {first for first, last, _ in clause.color_groups() if first != last}
    places = set(clause.at("prop", "quality", "action", "look")) - shades
    return any(clause.tokens[i].text not in _COLOR_WORDS for i in places)


def split_tone(clause: Clause) -> list[Op] | None:
    """Colours for the shadows and the highlights."""
    zones = [i for i in clause.at("prop") if clause.tokens[i].value in ("shadows", "highlights")]
    heads = [i for i in clause.at("look") if clause.tokens[i].value == "split_tone"]
    tones = [(a, b, c) for a, b, c in clause.color_groups()]
    tones += [(i, i, clause.tokens[i].value) for i in clause.at("colorish")]
    warmth = {"temperature": "orange", "-temperature": "blue"}
    tones += [(i, i, warmth[clause.tokens[i].value]) for i in clause.at("quality", "action", "prop")
              if clause.tokens[i].value in warmth]  # fmt: skip
    if not heads and not (zones and tones and len(zones) == len(tones)):
        return None
    params: dict[str, Any] = {}
    for zone, (first, last, tone) in zip(zones, sorted(tones), strict=False):
        params[clause.tokens[zone].value] = tone
        clause.head([zone, *range(first, last + 1)])
    duotone = any(clause.tokens[i].text in _DUOTONE for i in heads)
    if duotone and not zones:  # "duotone blue and pink": ink for the darks, ink for the lights
        for zone_name, (first, last, tone) in zip(("shadows", "highlights"), sorted(tones), strict=False):
            params[zone_name] = tone
            clause.head(range(first, last + 1))
    clause.head(heads)
    clause.take("tintword", "recolor", "add", "verb")
    much = clause.much()
    if clause.has("prop") or (not heads and clause.has("region", "word")):
        return None
    where = clause.region() or WHOLE
    if duotone:  # two inks leave no other colour
        level = Much(2) if much.level is None and much.number is None else much
        toned = Op("split_tone", resolve("split_tone", 1, level)[1], where, params)
        return [Op("black_and_white", 1.0, where), toned]
    return [Op("split_tone", resolve("split_tone", 1, much)[1], where, params)]


def recolor(clause: Clause) -> list[Op] | None:
    """Another colour for a region, or a lean towards one ("bluer", "a pink tint")."""
    _whitening(clause)
    leaning = clause.at("colorish")
    groups = clause.color_groups()
    _refuse_tan(clause)
    if balance := _cast(clause, leaning, groups):
        return balance
    if leaning and not _other_heads(clause):
        clause.head(leaning[-1:])
        return _lean(clause, clause.tokens[leaning[-1]].value)
    if not groups or (_other_heads(clause) and not clause.has("tintword")):
        return None
    first, last, color = groups[-1]
    for start, end, _ in groups[:-1]:  # "from green to yellow" of something that is named
        source = clause.before(start)
        if source and source.text in ("from", "从", "由") and clause.has("region", "word", "place"):
            clause.used.update(range(start, end + 1))
    if not _is_target(clause, first, last):
        return None
    words = [i for i in clause.at("prop") if clause.tokens[i].text in _COLOR_WORDS]
    tinted = clause.has("tintword")
    directed = clause.has("up", "down", "too", "enough")
    before = clause.before(first)
    plural = clause.tokens[first].text.endswith("s")
    if (
        directed
        and (plural or (before and before.kind == "det"))
        and not clause.has("region", "word", "tintword", "place")
    ):
        return _strength_of_a_color(clause, first, color)
    if first == last and clause.tokens[first].text in NAMESAKES and before and before.text in ("a", "an"):
        raise cannot("replace")
    even = clause.tokens[first].text in _EVEN
    clause.head(range(first, last + 1))
    clause.used.update(words)
    if directed or tinted:
        clause.take("tintword", "recolor", "add")
        return _lean(clause, color, tint=tinted)
    swaps = clause.at("swap")
    words = words or clause.at("recolor")
    clause.take("recolor", "swap", "add", "tintword")
    replaced = any(clause.tokens[i].text.isascii() for i in swaps) and not words
    much = clause.much()
    region = clause.region()
    if replaced and (region is None or region.kind != "color" or region.noun):
        raise cannot("replace")
    if region is None and not clause.masked and not clause.has("photo", "pron"):
        raise NotUnderstood(say("It is not said what becomes {}.", color))
    params: dict[str, Any] = {"color": color}
    if region is not None and _is_backdrop(region, color, even):
        params["plain"] = True
    return [Op("recolor", resolve("recolor", 1, much)[1], region or WHOLE, params)]


def _strength_of_a_color(clause: Clause, place: int, color: str) -> list[Op]:
    """ "tone down the blues", "make the reds deeper": about the parts of that colour, not a cast."""
    sign, directed = clause.direction()
    clause.head([place])
    name, value = resolve("saturation", sign, clause.much(directed))
    return [Op(name, value, Region("color", color, text=clause.tokens[place].text))]


def _is_backdrop(region: Region, color: str, even: bool) -> bool:
    """Whether a studio backdrop is asked for rather than other paint: "a white background", "a solid blue one"."""
    behind = (region.name == "background" and not region.invert) or (
        region.name == "subject" and region.invert
    )
    return region.kind == "named" and behind and not region.within and (even or color in ("white", "black"))


def _refuse_tan(clause: Clause) -> None:
    """ "Tan my skin", "give her a tan": no beige paint, but what the sun does; the reasoner knows that."""
    of_people = any(clause.tokens[i].value in _SKIN for i in clause.at("region")) or any(
        t.kind == "pron" and t.text in _PEOPLE for t in clause.tokens
    )
    if of_people and (tans := [t.text for t in clause.tokens if t.kind == "color" and t.text == "tan"]):
        raise unknown_words(tans)


def _whitening(clause: Clause) -> None:
    """ "把牙齿变白": of what is no plant, that is white; 美白 alone is said of no part and left to the reasoner."""
    for i in clause.at("pale"):
        if clause.tokens[i].text == "变白":
            _replace(clause, i, "color", "white")
    for i in clause.at("colorish"):
        if clause.tokens[i].text == "美白" and not clause.has("region", "word"):
            _replace(clause, i, "word", "")


def _cast(clause: Clause, leaning: list[int], groups: list[tuple[int, int, str]]) -> list[Op] | None:
    """ "fix the yellow cast", "remove the greenish tint", "校正偏黄": a cast to take away from the whole photo."""
    casts = [i for i in clause.at("action") if clause.tokens[i].value == "white_balance"]
    named = leaning or (groups and (casts or clause.has("tintword")))
    if not clause.has("repair", "fadeword", "remove") or not named:
        return None
    if clause.has("region", "place", "prop", "quality", "look", "word") or len(clause.at("action")) > len(
        casts
    ):
        return None
    clause.used.update(casts)
    clause.take("remove", "fadeword", "tintword")
    clause.head([*leaning, *(i for first, last, _ in groups for i in range(first, last + 1))])
    much = clause.much()
    return [Op("white_balance", resolve("white_balance", 1, much)[1], WHOLE)]


def _is_target(clause: Clause, first: int, last: int) -> bool:
    """Whether this colour is what something becomes, not part of a noun phrase."""
    before, after = clause.before(first), clause.after(last)
    if after and after.kind in ("word", "region", "place") and not (before and before.kind in ("to",)):
        return bool(clause.has("add")) and after.kind == "region"
    if after and after.kind == "stop" and after.text == "的" and clause.after(last + 1) is not None:
        return False
    verbs = clause.at("verb", "recolor", "to", "swap", "tintword", "ba", "add", "up", "down", "too")
    if clause.has("keep", "except", "remove", "crop"):
        return False
    return bool(verbs) or first == 0 or bool(before and before.kind in ("stop", "region", "word"))


def _lean(clause: Clause, color: str, tint: bool = False) -> list[Op]:
    sign, directed = clause.direction()
    clause.take("tintword", "recolor")
    clause.used.update(i for i in clause.at("prop") if clause.tokens[i].text in _COLOR_WORDS)
    much = clause.much(directed)
    region = clause.region() or WHOLE
    axis = _AXIS.get(color)
    on_axis = region.kind == "whole" and axis is not None and color != "red"
    if sign < 0 or (on_axis and not (tint and axis and axis[0] != "tint")):
        if axis is None:
            raise NotUnderstood(say("Less {} is not an operation; say what it should become.", color))
        name, value = resolve(axis[0], axis[1] * sign, Much(much.level, much.number))
        return [Op(name, value, region)]
    if much.number:
        return [Op("recolor", resolve("recolor", 1, much)[1], region, {"color": color})]
    return [Op("recolor", _TINGE[1 if much.level is None else much.level], region, {"color": color})]


# tone, film, light, detail ------------------------------------------------------------------------------------


def general(clause: Clause) -> list[Op] | None:
    """Properties, qualities, actions and looks: "increase the contrast", "darker", "blur the sky", "a vignette"."""
    _depth(clause)
    _gentle_looks(clause)
    places = clause.at("prop", "quality", "action", "look")
    _zone_verbs(clause, places)
    if not places or (clause.has("swap") and clause.has("word", "region", "place")):
        return None
    heads = _combine(clause, places)
    clause.head(places)
    clause.take("tintword", "strength", "opacity", "recolor")
    clause.take("swap")
    less = [i for i in clause.at("down") if clause.tokens[i].text == "less"]
    soften = bool(less) and all(kind == "action" for _, _, kind, _ in heads)
    if soften:  # "darken it less" asks for a smaller step, not for the opposite
        clause.used.update(less)
    if all(
        kind != "prop" for _, _, kind, _ in heads
    ):  # "cool it down", "sharpen it up": only the verb's particle
        clause.used.update(i for i in clause.at("up", "down") if clause.tokens[i].text in ("up", "down"))
    _describe_weather(clause)
    removing = clause.has("remove")
    sign, directed = clause.direction()
    amounts = _amounts(
        clause,
        [at for at, _, _, _ in heads],
        directed or any(kind not in ("prop", "look") for _, _, kind, _ in heads),
    )
    names = [_name(meaning) for _, meaning, _, _ in heads]
    if "hue" in names:
        clause.take("rotate")
    tone = _gradient_color(clause) if "gradient_sky" in names else {}
    region = clause.region()
    if set(names) & {"snow", "rain", "fog"} and region and region.kind == "color" and not region.noun:
        raise unknown_words([region.text])  # "make the snow white" means the snow that lies there
    ops = []
    for (at, meaning, kind, own), much in zip(heads, amounts, strict=True):
        if kind == "prop" and not directed and much.number is None and much.level is None:
            raise Contradiction(
                say("It is not said whether to increase or to reduce “{}”.", clause.tokens[at].text)
            )
        if removing and kind == "prop" and meaning.strip("-<") in _ZONES:
            raise NotUnderstood(say("“{}” can be raised or lowered, not removed.", clause.tokens[at].text))
        level = 0 if soften and much.level is None else much.level
        _refuse_things(clause, at, region)
        op = _one(clause, meaning, kind, sign * own, Much(level, much.number, much.to, much.directed), region)
        ops.append(replace(op, params=tone) if op.name == "gradient_sky" else op)
    return ops


def _refuse_things(clause: Clause, place: int, region: Region | None) -> None:
    """ "Make the sky clear": without clouds, which no contrast brings. "The shadow of the tree" is not in it."""
    text, after = clause.tokens[place].text, clause.after(place)
    clear = text in ("clear", "clearer") and region is not None and region.name in ("sky", "water")
    if clear or (text == "shadow" and after is not None and after.text == "of"):
        raise unknown_words([text])


def _gradient_color(clause: Clause) -> dict[str, Any]:
    groups = clause.color_groups()
    if not groups:
        return {}
    first, last, color = groups[-1]
    clause.used.update(range(first, last + 1))
    return {"color": color}


def _depth(clause: Clause) -> None:
    """ "blur with depth" is the depth blur."""
    blurs = [
        i for i in clause.at("action", "quality", "look") if str(clause.tokens[i].value).startswith("blur")
    ]
    for i in clause.at("num"):
        if (aperture := as_number(clause.tokens[i].value)).unit == "f":
            if blurs:
                _replace(clause, blurs[0], "action", "depth_blur")
                _replace(clause, i, "degree", 2 if aperture.value <= _WIDE_OPEN else 1)
            else:
                _replace(clause, i, "action", "depth_blur")
    if blurs and (depth := clause.at("depth")):
        clause.used.update(depth)
        _replace(clause, blurs[0], "action", "depth_blur")
        clause.take("by")


def _gentle_looks(clause: Clause) -> None:
    """ "light snow", "a soft vignette": little of it."""
    for i in clause.at("look"):
        before = clause.before(i)
        if before and before.text in ("light", "soft"):
            _replace(clause, i - 1, "degree", 0)


def _burn_in(clause: Clause) -> None:
    """ "burn the sky" is the darkroom's word for darkening a part; a leaf is scorched."""
    plants = any(clause.tokens[i].value in PLANT for i in clause.at("region")) or clause.has("margin", "tip")
    for i in clause.at("dry"):
        if (
            clause.tokens[i].text in ("burn", "burning")
            and not plants
            and clause.has("region", "place", "word")
        ):
            _replace(clause, i, "action", "-brightness")


def _describe_weather(clause: Clause) -> None:
    """ "foggy forest", "snowy mountains": the weather is everywhere, the noun only says what the photo shows."""
    for i in clause.at("look") or sorted(clause.heads):
        after = clause.after(i)
        if (
            clause.tokens[i].text in _WEATHER
            and after
            and after.kind in ("region", "word")
            and i + 2 == len(clause.tokens)
        ):
            clause.used.add(i + 1)


def _zone_verbs(clause: Clause, places: list[int]) -> None:
    """ "recover the highlights" lowers them, "recover the shadows" lifts them, "crush the blacks" lowers them."""
    zones = {clause.tokens[i].value for i in places if clause.tokens[i].kind == "prop"}
    if (verbs := clause.at("fadeword")) and zones & _ZONES:
        for i in verbs:
            _replace(clause, i, "down" if zones & {"highlights", "whites"} else "up", "")
    if (verbs := clause.at("crush")) and zones:
        for i in verbs:
            _replace(clause, i, "down" if zones & _ZONES else "up", "")


def _replace(clause: Clause, place: int, kind: str, value: Any) -> None:
    old = clause.tokens[place]
    clause.tokens[place] = Token(kind, value, old.text, old.start, old.end, old.cjk)


Head = tuple[int, Any, str, int]


def _combine(clause: Clause, places: list[int]) -> list[Head]:
    """The operations meant by several words together: (place, meaning, kind, sign from another word)."""
    tokens = clause.tokens
    zones = [i for i in places if tokens[i].kind == "prop" and tokens[i].value in _ZONES]
    tones = [
        i for i in places if tokens[i].kind != "prop" and str(tokens[i].value).strip("-") == "brightness"
    ]
    if zones and tones and len(places) == len(zones) + len(tones):
        sign = -1 if tokens[tones[0]].value.startswith("-") else 1
        return [(i, tokens[i].value, tokens[tones[0]].kind, sign) for i in zones]
    others = [i for i in places if tokens[i].text not in _COLOR_WORDS]
    if others and len(others) < len(places):  # "the colours" of "make the colours warmer"
        if all(str(tokens[i].value).strip("-") == "brightness" for i in others):
            sign = -1 if str(tokens[others[0]].value).startswith("-") else 1
            return [(others[0], "vibrance", "quality", sign)]
        places = others
    heads: list[Head] = []
    for head in _told_once(clause, [(i, tokens[i].value, tokens[i].kind, 1) for i in places]):
        if not any(head[1] == other for _, other, _, _ in heads):
            heads.append(head)
    names = [_name(meaning) for _, meaning, _, _ in heads]
    if "white_balance" in names and len(names) > 1:
        heads = [head for head, name in zip(heads, names, strict=True) if name != "white_balance"]
    if "sepia" in names:  # "a warm sepia tone"
        heads = [h for h in heads if _name(h[1]) != "temperature"]
    if {"blur", "depth_blur"} <= set(names):
        heads = [h for h in heads if _name(h[1]) != "blur"]
    return heads


def _told_once(clause: Clause, heads: list[Head]) -> list[Head]:
    """ "cool the temperature" has its direction in "cool", "lower the temperature to a cool look" in "lower"."""
    said = {_name(meaning) for _, meaning, kind, _ in heads if kind != "prop"}
    twice = {_name(meaning) for _, meaning, kind, _ in heads if kind == "prop" and _name(meaning) in said}
    directed = any(clause.tokens[i].text not in _COMPARING for i in clause.at("up", "down"))
    return [h for h in heads if _name(h[1]) not in twice or (h[2] == "prop") == directed]


def _name(meaning: Any) -> str:
    return (meaning[0] if isinstance(meaning, tuple) else str(meaning)).strip("-<")


def _amounts(clause: Clause, heads: list[int], directed: bool) -> list[Much]:
    """One amount per head: a degree goes to the next head, a number to the one before, else to the other side."""
    if len(heads) == 1:
        return [clause.much(directed)]
    shares: list[set[int]] = [set() for _ in heads]
    for i in clause.at("degree", "num"):
        later = [n for n, at in enumerate(heads) if at > i]
        earlier = [n for n, at in enumerate(heads) if at < i]
        number = clause.tokens[i].kind == "num"
        shares[
            (earlier or later)[-1 if earlier else 0] if number else (later[0] if later else earlier[-1])
        ].add(i)
    taken = clause.at("degree", "num")
    amounts = []
    for mine in shares:
        part = Clause(clause.tokens, clause.text, clause.masked, used=set(range(len(clause.tokens))) - mine)
        amounts.append(part.much(directed))
    clause.used.update(taken)
    return amounts


def _speaks_of_light(clause: Clause) -> bool:
    return any(t.kind == "photo" and t.text in _LIGHT for t in clause.tokens)


def _one(clause: Clause, meaning: Any, kind: str, sign: int, much: Much, region: Region | None) -> Op:
    """An operation of the catalog from a meaning such as "contrast", "-dehaze", "blur<" or ("stylize", "oil")."""
    name = _name(meaning)
    params: dict[str, Any] = {}
    if isinstance(meaning, tuple):
        params = {"color": True} if name == "pencil" else {"style": meaning[1]}
    elif str(meaning).startswith("-"):
        sign = -sign
    if (
        name == "blur"
        and str(meaning).endswith("<")
        and region
        and region.name in _SKIN
        and not region.invert
    ):
        name = meaning = "smooth"  # soft skin keeps its eyes
    if name == "blur" and str(meaning).endswith("<") and region is None and _speaks_of_light(clause):
        # soft light is no blur: its shadows are open and its lights bloom
        if kind == "quality":
            name = meaning = "glow"
        else:
            name, meaning, sign = "contrast", "-contrast", -sign
    row = OPERATIONS[name]
    if sign < 0 and row.limits[0] >= 0 and row.unit != "exponent":
        if name not in _INVERSE:
            raise CannotDo(say("The built-in editor cannot take {} out of a photo.", label(name)))
        name, sign = _INVERSE[name], 1
    bias = -1 if str(meaning).endswith("<") else 0
    name, value = resolve(name, sign, much, bias)
    where = region or (WHOLE if clause.masked and name != "inpaint" else OPERATIONS[name].region)
    if name == "inpaint":
        where = _hole(clause, region)
    return Op(name, value, where, params)


def retouch(clause: Clause) -> list[Op] | None:
    """Removing what the mask covers."""
    if not clause.has("remove"):
        return None
    clause.head(clause.at("remove"))
    named = clause.region()
    if clause.has("add", "swap"):
        raise cannot("replace")
    return [Op("inpaint", 1.0, _hole(clause, named))]


def _hole(clause: Clause, named: Region | None) -> Region:
    if not clause.masked:
        if named is None:
            raise CannotDo(say("To remove something, show where it is: --mask MASK.png or --region X,Y,W,H."))
        raise CannotDo(
            say("To remove “{}”, show where it is: --mask MASK.png or --region X,Y,W,H.", named.text)
        )
    return Region("mask", noun=named.text if named else "", text=named.text if named else "")


def warm_only(clause: Clause) -> list[Op] | None:
    """ "+0.7 EV", "one stop brighter" without a noun: an exposure given by its unit alone."""
    numbers = clause.at("num")
    if len(numbers) != 1 or getattr(clause.tokens[numbers[0]].value, "unit", "") != "EV":
        return None
    sign, directed = clause.direction()
    clause.head(numbers)
    much = Much(number=clause.tokens[numbers[0]].value, directed=directed)
    clause.take("crush")
    value = checked(OPERATIONS["exposure"], resolve("exposure", sign, much)[1])
    return [Op("exposure", value, clause.region() or WHOLE)]


FRAMES: tuple[Frame, ...] = (
    writing, geometry, color_pop, split_tone, plant, side_light, recolor, general, warm_only, retouch,
)  # fmt: skip

"""One clause being read: which of its tokens are accounted for, and the part of the photo it speaks of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from editor.base import CannotDo, NotUnderstood
from editor.builtin import colors
from editor.builtin.core import Region
from editor.builtin.grammar.amounts import Much, as_number
from editor.builtin.grammar.messages import REASONS, Contradiction, chinese, say
from editor.builtin.grammar.numbers import Number
from editor.builtin.grammar.words import Token

SOFT = {"stop", "photo", "pron", "det", "of", "to", "by", "ba", "verb", "repair", "inward", "only", "sep"}
"""Kinds that carry no content of their own."""
_PARTS = {"region", "place", "color", "shade", "word"}
_BEFORE_NOUN = {"det", "of", "ba", "action", "up", "down", "remove", "color", "shade", "region", "place", "verb",
                "recolor", "except", "keep", "only", "dry", "symptom", "chu", "crop", "crush", "swap",
                "look", "flip", "rotate", "resize", "repair", "fadeword", "colorish"}  # fmt: skip
_BEFORE_CHINESE_NOUN = _BEFORE_NOUN - {"verb", "look"}
PERSONS = {"me", "us", "him", "her", "them", "他", "她"}
"""Words for the people in the photo; without a noun they are its subject."""
_QUANTIFIERS = {"his", "her", "its", "this", "these", "those", "all", "each", "every", "whole", "entire", "some",
                "both", "的", "这个", "那个", "这", "那", "所有", "全部", "整个", "一个", "一只", "一条",
                "一辆", "一朵", "一片", "一张"}  # fmt: skip
_NATURAL = {("sky", "blue"), ("sky", "grey"), ("sky", "white"), ("foliage", "green"), ("leaf", "green"),
            ("grass", "green"), ("water", "blue"), ("skin", "pink"), ("skin", "brown")}  # fmt: skip
_TREES = {"tree", "trees", "forest", "树", "树木", "森林", "树林"}
_LAWN = Region("named", "grass")
"""What stands below trees, and is none."""
_MASSES = {"sky", "water", "ground", "grass", "foliage", "background"}
"""Parts that are no single things: where one is on the left, it goes on to the right."""
_BESIDE = {"behind", "around", "near", "under"}
_PORTIONS = ("side", "half", "part", "third", "edge", "corner", "半", "侧", "部分", "角")
SHADES = {"light": 0.45, "pale": 0.5, "pastel": 0.5, "浅": 0.45, "淡": 0.5, "lighter": 0.45, "light shade of": 0.45,
          "dark": -0.45, "deep": -0.35, "darker": -0.45, "深": -0.4, "暗": -0.45, "墨": -0.6, "bright": 0.0,
          "vivid": 0.0, "rich": 0.0, "亮": 0.0, "鲜": 0.0, "鲜艳": 0.0, "soft": 0.35, "warm": 0.0, "cool": 0.0,
          "pure": 0.0, "hot": 0.0, "neon": 0.0, "纯": 0.0, "solid": 0.0, "plain": 0.0, "true": 0.0,
          "正": 0.0}  # fmt: skip
"""Words before a colour: the share of white (positive) or black (negative) mixed into it."""
_BEYOND = "The built-in editor cannot {}; a diffusion editor can (--editor, see `reedit editors`)."
MAX_NOUN_WORDS = 4
MAX_NOUN_CHARACTERS = 8
_NO_NOUNS = {"after", "before", "during", "when", "while", "if", "because", "than", "how", "why", "what", "where",
             "who", "since", "although", "per"}  # fmt: skip


@dataclass(slots=True)
class Clause:
    """Tokens of one clause, the text they lie in, and which of them are used up."""

    tokens: list[Token]
    text: str
    masked: bool
    used: set[int] = field(default_factory=set)
    heads: set[int] = field(default_factory=set)
    region_at: tuple[int, int] | None = None
    complaint: bool = False
    """Whether it tells what is wrong ("too dark", "the photo is blurry") and so asks for the opposite."""

    def at(self, *kinds: str) -> list[int]:
        """Places of the unused tokens of these kinds."""
        return [i for i, t in enumerate(self.tokens) if t.kind in kinds and i not in self.used]

    def has(self, *kinds: str) -> bool:
        """Whether an unused token of these kinds is left."""
        return any(t.kind in kinds and i not in self.used for i, t in enumerate(self.tokens))

    def take(self, *kinds: str) -> list[Token]:
        """Use up all tokens of these kinds."""
        places = self.at(*kinds)
        self.used.update(places)
        return [self.tokens[i] for i in places]

    def head(self, places: Iterable[int]) -> None:
        """Use up the tokens that name the operation."""
        found = list(places)
        self.used.update(found)
        self.heads.update(found)

    def before(self, place: int) -> Token | None:
        """The token before this place."""
        return self.tokens[place - 1] if place > 0 else None

    def after(self, place: int) -> Token | None:
        """The token after this place."""
        return self.tokens[place + 1] if place + 1 < len(self.tokens) else None

    def slice(self, first: int, last: int) -> str:
        """The user's words from one token to another."""
        start, end = self.tokens[first].start, self.tokens[last].end
        return self.text[start:end] if start <= end else self.tokens[last].text

    def leaves_out(self) -> bool:
        """Whether "except", "除…以外" or "除了" takes a part out."""
        return self.has("except", "wai") or any(self.tokens[i].text == "除了" for i in self.at("chu"))

    # amounts ----------------------------------------------------------------------------------------------
    def direction(self) -> tuple[int, bool]:
        """+1 or -1 from "increase", "less", "too" ..., and whether any was said."""
        ups, downs = self.take("up", "add"), self.take("down", "remove")
        if self.take("enough"):
            self.complaint = True
            ups = ups or [Token("up", "", "", 0, 0)]
        flip = -1 if self.take("too") or (self.complaint and not ups) else 1
        self.complaint = self.complaint or flip < 0
        if ups and downs and any(t.text not in ("more", "even more", "再", "多") for t in ups):
            raise Contradiction(say("“{}” and “{}” contradict each other.", ups[0].text, downs[0].text))
        return (-1 if downs else 1) * flip, bool(ups or downs or flip < 0)

    def much(self, directed: bool = False) -> Much:
        """Level and number said anywhere in the clause."""
        places = self.at("num")
        numbers = [
            i
            for i in places
            if not (isinstance(self.tokens[i].value, Number) and self.tokens[i].value.unit in ("rect", "hex"))
        ]
        if len(numbers) > 1:
            said = ", ".join(self.tokens[i].text for i in numbers)
            raise NotUnderstood(say("Two amounts in one step: {}.", said))
        degrees = [t.value for t in self.take("degree")]
        level = max(degrees) if degrees else None
        if not numbers:
            return Much(level, directed=directed)
        self.used.update(numbers)
        before = self.before(numbers[0])
        to = before is not None and before.kind in ("to", "verb") and before.text not in ("来",)
        return Much(level, as_number(self.tokens[numbers[0]].value), to, directed)

    # colours and regions ----------------------------------------------------------------------------------
    def color_groups(self) -> list[tuple[int, int, str]]:
        """Unused colours with the shade words before them: (first, last, name or #rrggbb)."""
        groups = []
        for i, token in enumerate(self.tokens):
            if i in self.used:
                continue
            if token.kind == "num" and isinstance(token.value, Number) and token.value.unit == "hex":
                groups.append((i, i, token.value.name))
            elif token.kind == "color":
                at = i - 2 if i > 1 and self.tokens[i - 1].text == "的" else i - 1
                if (
                    at >= 0
                    and self.tokens[at].text in SHADES
                    and at not in self.used
                    and not self._compared(at)
                ):
                    groups.append((at, i, _shaded(token.value, SHADES[self.tokens[at].text])))
                else:
                    groups.append((i, i, token.value))
        return groups

    def _compared(self, place: int) -> bool:
        """Whether "lighter", "更亮" ... is said of the thing rather than of the colour that follows."""
        before = self.before(place)
        if self.tokens[place].text in ("深", "浅", "淡"):
            return False
        return before is not None and before.kind in ("up", "down")

    def region(self) -> Region | None:
        """The part of the photo named by the tokens that are left, or None. Raises NotUnderstood."""
        invert = bool(self.take("except"))
        if self.has("chu") and self.leaves_out():
            invert = True
        if self.has("chu", "wai") and (self.has("wai") or invert):
            self.take("chu", "wai")
            invert = True
        rect = [
            i
            for i in self.at("num")
            if isinstance(self.tokens[i].value, Number) and self.tokens[i].value.unit == "rect"
        ]
        if rect:
            self.used.update(rect)
            self.region_at = rect[0], rect[0]
            x, y, width, height = self.tokens[rect[0]].value.parts
            if width < 1 or height < 1:
                raise NotUnderstood(
                    say("The rectangle {} (x, y, width, height) is empty.", self.tokens[rect[0]].text)
                )
            return Region("rect", rect=(x, y, width, height), invert=invert, text=self.tokens[rect[0]].text)
        shades = {first for first, last, _ in self.color_groups() if first != last}
        places = sorted({*self.at(*_PARTS), *shades})
        if not places:
            persons = [i for i in self.at("pron") if self.tokens[i].text in PERSONS]
            if invert and persons:
                self.used.update(persons)
                return Region("named", "subject", invert=True, text=self.tokens[persons[0]].text)
            if invert:
                raise NotUnderstood(say("It is not said what to leave out."))
            return None
        places = self._one_group(places)
        self._check_beside(places)
        self._check_instrument(places)
        self.used.update(places)
        self.region_at = places[0], places[-1]
        part = _part([self.tokens[i] for i in places], self.slice(places[0], places[-1]))
        return replace(part, invert=invert)

    def _one_group(self, places: list[int]) -> list[int]:
        """The places, if they form one noun phrase in a place where a noun can stand."""
        soft = {"stop", "det", "of", "photo"}
        for left, right in itertools.pairwise(places):
            between = range(left + 1, right)
            if any(self.tokens[i].kind not in soft or i in self.used for i in between):
                raise NotUnderstood(say("It is not clear which part is meant: {}.", self._names(places)))
        unknown = [i for i in places if self.tokens[i].kind == "word"]
        if len(unknown) > MAX_NOUN_WORDS:
            raise unknown_words([self.tokens[i].text for i in unknown])
        for i in unknown:
            if not (i - 1 in unknown or self._noun_may_stand(i)) or self._qualifies(i):
                raise unknown_words([self.tokens[i].text])
        return places

    def _check_instrument(self, places: list[int]) -> None:
        """ "with a red filter", "an orange glow", "monochrome blue", "towards blue" say how, not where."""
        first = self.before(places[0])
        if first is None or any(self.tokens[i].kind not in ("color", "quality") for i in places):
            return
        how = first.text in ("with", "with a", "with an", "a", "an") or first.kind == "to"
        if how or first.value == "black_and_white":
            raise unknown_words([self.tokens[i].text for i in places])

    def _check_beside(self, places: list[int]) -> None:
        """ "behind the leaf", "under the tree" name a part that is not the leaf; a crop around it is one to it."""
        at = places[0] - 1
        while at >= 0 and self.tokens[at].kind == "det":
            at -= 1
        thing = any(self.tokens[i].kind != "place" for i in places)
        if (
            thing
            and not any(t.kind == "crop" for t in self.tokens)
            and at >= 0
            and self.tokens[at].text in _BESIDE
        ):
            said = f"“{self.slice(at, places[-1])}”"
            raise NotUnderstood(say("It is not clear which part is meant: {}.", said))

    def _names(self, places: list[int]) -> str:
        return ", ".join(f"“{self.tokens[i].text}”" for i in places)

    def _qualifies(self, place: int) -> bool:
        """Whether an unknown word is an adjective: "reduce the harsh shadows"."""
        before, after = self.before(place), self.after(place)
        tone = after is not None and after.kind == "prop" and after.text not in ("color", "colors")
        light = after is not None and after.kind == "photo" and after.text not in SHADES
        return before is not None and before.kind == "det" and not self.tokens[place].cjk and (tone or light)

    def _noun_may_stand(self, place: int) -> bool:
        token, before = self.tokens[place], self.before(place)
        if not token.text.replace("'", "").isalpha() or (token.text.isascii() and len(token.text) < 2):
            return False
        if token.cjk:
            fits = before is None or before.kind in _BEFORE_CHINESE_NOUN or before.text in _QUANTIFIERS
            return len(token.text) <= MAX_NOUN_CHARACTERS and fits
        if token.text.endswith("ly") or before is None or token.text in _NO_NOUNS:
            return False
        return before.kind in _BEFORE_NOUN or before.text in _QUANTIFIERS

    def finish(self) -> None:
        """Raise NotUnderstood unless every word with content was used."""
        left = [t for i, t in enumerate(self.tokens) if i not in self.used and t.kind not in SOFT]
        if left:
            raise unknown_words([t.text for t in left])


def unknown_words(words: list[str]) -> NotUnderstood:
    """The refusal that names the words."""
    shown = ", ".join(f"“{w[:40]}”" for w in words[:5]) + (" …" if len(words) > 5 else "")
    return NotUnderstood(say("The built-in editor does not understand {} here.", shown))


def cannot(reason: str) -> CannotDo:
    """The refusal for a kind of request that classical operations cannot do."""
    return CannotDo(say(_BEYOND, REASONS[reason][chinese()]))


def _shaded(name: str, share: float) -> str:
    if share == 0:
        return name
    target = 244 if share > 0 else 16
    mixed = (round(c + (target - c) * abs(share)) for c in colors.rgb(name))
    return "#" + "".join(f"{c:02x}" for c in mixed)


def _part(tokens: list[Token], text: str) -> Region:
    """The region that a noun phrase names."""
    kinds = {kind: [t for t in tokens if t.kind == kind] for kind in _PARTS}
    named = {t.value for t in kinds["region"]}
    tone = kinds["color"][-1].value if kinds["color"] else ""
    if len({t.value for t in kinds["color"]}) > 1 or (kinds["shade"] and not tone and not kinds["word"]):
        raise unknown_words([t.text for t in tokens])
    if kinds["word"]:
        if tone and not named and not kinds["place"] and tokens[0].kind != "word":
            return Region("color", tone, noun=_noun(tokens), text=text)
        return Region("mask", noun=text, text=text)
    if named:
        if len(named) > 1:
            named -= {"subject"}
        within = _place_name(kinds["place"])
        cut = not kinds["place"] or (within and _is_cut(named, kinds["place"]))
        if not cut or len(named) > 1 or "some leaves" in named:
            return Region("mask", noun=text, text=text)
        name = named.pop()
        if tone and (name, tone) not in _NATURAL:
            return Region("color", tone, noun=_noun(tokens), text=text, within=within)
        trees = name == "foliage" and any(t.text in _TREES for t in kinds["region"])
        return Region("named", name, text=text, within=within, minus=_LAWN if trees else None)
    if kinds["place"]:
        where = _place_name(kinds["place"])
        if tone or not where:
            raise unknown_words([t.text for t in tokens])
        return Region("place", where, text=text)
    return Region("color", tone, text=text)


def _place_name(tokens: list[Token]) -> str:
    """The place that one or two words name together ("top", "left": top-left); "" for none and for contradictions."""
    names = {t.value for t in tokens}
    if len(names) < 2:
        return "".join(names)
    upright, sideways = sorted(names & {"top", "bottom"}), sorted(names & {"left", "right"})
    return f"{upright[0]}-{sideways[0]}" if len(names) == 2 and upright and sideways else ""


def _is_cut(named: set[str], places: list[Token]) -> bool:
    """Whether a place cuts the part ("the sky on the left", "the left half of the face") or chooses among several.

    "The left flower" is a whole flower, which only a mask shows.
    """
    return named <= _MASSES or any(any(w in t.text for w in _PORTIONS) for t in places)


def _noun(tokens: list[Token]) -> str:
    words = [t for t in tokens if t.kind in ("word", "region")]
    return ("" if words[0].cjk else " ").join(t.text for t in words)

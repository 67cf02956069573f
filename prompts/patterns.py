"""The pattern language of the knowledge base: small, bounded, and the same in English and Chinese.

English, words separated by spaces, matched on whole words (case, hyphens and articles do not matter):

    potassium|potash deficien*     one of two words, then a word that begins with "deficien"
    look? old                      an optional word
    sky ... dramatic               at most GAP other words between, not across punctuation

Chinese, matched on characters (Traditional characters count as their simplified forms):

    缺(钾|k)                        one of the alternatives; "(的|)" is an optional character
    叶…黄                          at most GAP_ZH other characters between, not across punctuation

There are no regular expressions in it, so no pattern can run away on a long request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from prompts.languages import QUOTED, SIMPLIFIED

GAP = 3
"""Words that `...` may skip."""
GAP_ZH = 4
"""Characters that `…` may skip."""
MAX_LITERALS = 500
"""A Chinese pattern may stand for so many spellings at most."""

ARTICLES = frozenset({"a", "an", "the"})

Spans = tuple[tuple[int, int], ...]
"""Parts of a text, as (start, end). What a gap skips is not among them: it must be accounted for otherwise."""

_HIDDEN = "\ufffc"
_WORD = re.compile(r"[a-z0-9\u00c0-\u024f]+(?:['’][a-z]+)?")
_SPELLING = re.compile(r"[a-z0-9'&]+\*?(?:\|[a-z0-9'&]+\*?)*\??")
_BREAK = frozenset(",.;:!?，。；：！？、\n")
_GROUP = re.compile(r"\(([^()]*)\)")


def fold(text: str) -> str:
    """`text` made comparable, character by character: lower case, simplified, no full-width ASCII; same length.

    What stands in quotation marks is hidden: it is material, not a wish.
    """
    hidden = QUOTED.sub(lambda m: _HIDDEN * len(m.group()), text)
    narrow = "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c for c in hidden)
    lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in narrow)
    return lower.translate(SIMPLIFIED)


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a punctuation mark of a request, and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request made ready for searching: its folded text and the words of it that are in Latin letters."""

    text: str
    words: tuple[Word, ...]

    @classmethod
    def of(cls, text: str) -> Request:
        """Fold and divide `text`. Positions stay those of `text`."""
        folded = fold(text)
        words = [Word(_bare(m.group()), *m.span()) for m in _WORD.finditer(folded)]
        marks = [Word(c, i, i + 1) for i, c in enumerate(folded) if c in _BREAK or c == _HIDDEN]
        return cls(folded, tuple(sorted([*words, *marks], key=lambda w: w.start)))


def _bare(word: str) -> str:
    return word.replace("’", "'").removesuffix("'s")


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of an English pattern: the words and beginnings of words that may stand there, or a gap."""

    exact: frozenset[str] = frozenset()
    stems: tuple[str, ...] = ()
    optional: bool = False
    gap: bool = False

    def accepts(self, word: str) -> bool:
        """Whether `word` may stand here."""
        return word in self.exact or (bool(self.stems) and word.startswith(self.stems))


@dataclass(frozen=True, slots=True)
class EnglishPattern:
    """A compiled English pattern."""

    slots: tuple[Slot, ...]

    def find(self, request: Request) -> Iterator[Spans]:
        """The words of `request` that the pattern takes, for each place where it holds."""
        words = request.words
        for first in range(len(words)):
            if _begins(self.slots, words[first].text):
                taken = _take(self.slots, words, first, 0)
                if taken:
                    yield tuple((words[i].start, words[i].end) for i in taken)


def _begins(slots: tuple[Slot, ...], word: str) -> bool:
    for slot in slots:
        if slot.accepts(word):
            return True
        if not slot.optional:
            return False
    return False


def _take(slots: tuple[Slot, ...], words: tuple[Word, ...], at: int, slot: int) -> tuple[int, ...] | None:
    """The indices of the words that slots[slot:] take from words[at:] on, or None if they do not match."""
    if slot == len(slots):
        return ()
    here = slots[slot]
    if here.gap:
        for skipped in range(GAP + 1):
            if (rest := _take(slots, words, at + skipped, slot + 1)) is not None:
                return rest
            if at + skipped >= len(words) or words[at + skipped].text in _BREAK:
                return None
        return None
    if at < len(words):
        if here.accepts(words[at].text) and (rest := _take(slots, words, at + 1, slot + 1)) is not None:
            return (at, *rest)
        if slot and words[at].text in ARTICLES and (rest := _take(slots, words, at + 1, slot)) is not None:
            return (at, *rest)
    return _take(slots, words, at, slot + 1) if here.optional else None


@dataclass(frozen=True, slots=True)
class ChinesePattern:
    """A compiled Chinese pattern: parts with a gap between each two, each part one of several spellings."""

    parts: tuple[tuple[str, ...], ...]

    def find(self, request: Request) -> Iterator[Spans]:
        """The characters of `request` that the pattern takes, for each place where it holds."""
        text = request.text
        for spelling in self.parts[0]:
            start = text.find(spelling)
            while start >= 0:
                end = start + len(spelling)
                rest = self._take(text, end, 1) if _whole(text, start, end) else None
                if rest is not None:
                    yield ((start, end), *rest)
                start = text.find(spelling, start + 1)

    def _take(self, text: str, at: int, part: int) -> Spans | None:
        if part == len(self.parts):
            return ()
        for start in range(at, at + GAP_ZH + 1):
            for spelling in self.parts[part]:
                end = start + len(spelling)
                fits = text.startswith(spelling, start) and _whole(text, start, end)
                if fits and (rest := self._take(text, end, part + 1)) is not None:
                    return ((start, end), *rest)
            if text[start : start + 1] in _BREAK:
                return None
        return None


def _whole(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is not a part of a longer Latin word."""
    inside = text[max(start - 1, 0) : start + 1], text[end - 1 : end + 1]
    return not any(len(pair) == 2 and pair.isascii() and pair.isalnum() for pair in inside)


Pattern = EnglishPattern | ChinesePattern


def compile_english(source: str) -> EnglishPattern:
    """Compile an English pattern. Raises ValueError that says what is wrong with it."""
    slots: list[Slot] = []
    for item in fold(source).replace("-", " ").split():
        if item == "...":
            slots.append(Slot(gap=True))
        elif _SPELLING.fullmatch(item):
            choices = item.removesuffix("?").split("|")
            exact = frozenset(c for c in choices if not c.endswith("*"))
            stems = tuple(c[:-1] for c in choices if c.endswith("*"))
            slots.append(Slot(exact, stems, optional=item.endswith("?")))
        else:
            raise ValueError(f"pattern {source!r}: {item!r} is not a word, a|b, word*, word? or ...")
    gaps = sum(slot.gap for slot in slots)
    if all(slot.gap or slot.optional for slot in slots) or gaps > 2 or slots[0].gap or slots[-1].gap:
        raise ValueError(f"pattern {source!r}: needs a required word, two gaps at most, and none at an end")
    return EnglishPattern(tuple(slots))


def compile_chinese(source: str) -> ChinesePattern:
    """Compile a Chinese pattern. Raises ValueError that says what is wrong with it."""
    parts: list[tuple[str, ...]] = []
    for part in fold(source).split("…"):
        pieces = [p.split("|") if i % 2 else [p] for i, p in enumerate(_GROUP.split(part))]
        spellings = ["".join(choice) for choice in product(*pieces)]
        if len(spellings) > MAX_LITERALS or any(c in "()|*?" for s in spellings for c in s):
            raise ValueError(f"pattern {source!r}: too many alternatives, or a stray ( ) | * ?")
        if not all(spellings):
            raise ValueError(f"pattern {source!r}: a part of it can be empty")
        parts.append(tuple(sorted(set(spellings), key=len, reverse=True)))
    if len(parts) > 3:
        raise ValueError(f"pattern {source!r}: at most two gaps")
    return ChinesePattern(tuple(parts))

"""Text to tokens: cleaning, quotations, and the longest known phrases; numbers come from `numbers`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from editor.base import NotUnderstood
from editor.builtin import colors
from editor.builtin.grammar.lexicon import LEXICON, SPELLING
from editor.builtin.grammar.messages import say
from editor.builtin.grammar.numbers import NUMBER, number
from prompts.languages import SIMPLIFIED

MAX_CHARS = 10_000
MAX_TOKENS = 400
_QUOTED = re.compile(
    '“([^“”]*)”|"([^"]*)"|「([^「」]*)」|『([^『』]*)』|«([^«»]*)»|《([^《》]*)》|„([^„“]*)“'
    r"|(?<![\w])['‘]([^'‘’]{0,500}(?:['’]\w[^'‘’]{0,200}){0,8})['’](?![\w])"
)
_UNWANTED = {"Cc", "Cf", "Cn", "Co", "Cs"}
_HOLE = "\ue000"
"""Stands for one quotation while the rest of the text is read; input never keeps private-use characters."""
_LEXEME = re.compile(rf"(?P<hole>{_HOLE}+)|(?P<cjk>[\u3400-\u9fff]+)"
                     r"|(?P<latin>b ?[&/] ?w\b|[^\W\d_\u3400-\u9fff]+(?:['’][^\W\d_]+)*)"
                     r"|(?P<strong>[;；。!?\n]|\.(?!\d))|(?P<weak>[,、&+/，])|(?P<digits>\d+)"
                     r"|(?P<other>\S)")  # fmt: skip
_IGNORED = set("-–—_()[]{}:…~'’`*•·|<>【】〈〉％")
_LONGEST_CHINESE = 8
_VERB_KINDS = {"action", "verb", "up", "down", "add", "remove", "recolor", "crop", "rotate", "straighten", "flip",
               "resize", "write", "swap", "repair", "keep", "crush", "fadeword", "symptom", "dry",
               "cannot"}  # fmt: skip
_DOUBLING = {
    "blur",
    "crop",
    "trim",
    "flip",
    "dim",
    "cut",
    "drop",
    "bump",
    "spin",
    "shrug",
    "chop",
    "put",
    "set",
    "get",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A known phrase, a number, a quotation or an unknown word (kind "word").

    start, end: its place in Source.text; cjk: written in Chinese characters.
    """

    kind: str
    value: Any
    text: str
    start: int
    end: int
    cjk: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """An instruction after cleaning: the text as the user wrote it (NFKC) and its quotations in order."""

    text: str
    tokens: tuple[Token, ...]


def read(text: str) -> Source:
    """Clean and tokenise. Raises NotUnderstood for an empty or an oversized text."""
    if len(text) > MAX_CHARS:
        raise NotUnderstood(
            say("The instruction has {} characters; at most {} are read.", len(text), MAX_CHARS)
        )
    clean, quotes = _clean(text)
    folded = list(fold(clean))
    for start, (end, _) in quotes.items():
        folded[start:end] = _HOLE * (end - start)
    tokens: list[Token] = []
    for token in _tokens("".join(folded), quotes):
        tokens.append(token)
        if len(tokens) > MAX_TOKENS:
            raise NotUnderstood(
                say(
                    "The instruction is too long: more than {} words; give fewer steps at a time.", MAX_TOKENS
                )
            )
    return Source(clean, tuple(tokens))


def _clean(text: str) -> tuple[str, dict[int, tuple[int, str]]]:
    """The text, NFKC outside of its quotations and without control characters; the quotations by their start."""
    kept = "".join(" " if unicodedata.category(c) in _UNWANTED and c != "\n" else c for c in text)
    parts: list[str] = []
    quotes: dict[int, tuple[int, str]] = {}
    length = position = 0
    for match in _QUOTED.finditer(kept):
        before = unicodedata.normalize("NFKC", kept[position : match.start()])
        length += len(before)
        quotes[length] = length + len(match.group()), next((g for g in match.groups() if g is not None), "")
        parts += before, match.group()
        length += len(match.group())
        position = match.end()
    parts.append(unicodedata.normalize("NFKC", kept[position:]))
    return "".join(parts), quotes


def fold(text: str) -> str:
    """Lower case and simplified characters, position by position."""
    return (
        "".join(c.lower() if len(c.lower()) == 1 else c for c in text).translate(SIMPLIFIED).replace("’", "'")
    )


def _tokens(folded: str, quotes: dict[int, tuple[int, str]]) -> Iterator[Token]:
    """Numbers first, by pattern; phrases of words between them."""
    position = 0
    for match in NUMBER.finditer(folded):
        if match.start() < position:
            continue
        yield from _phrases(folded, position, match.start(), quotes)
        yield Token("num", number(match), match.group(), match.start(), match.end())
        position = match.end()
    yield from _phrases(folded, position, len(folded), quotes)


def _phrases(folded: str, start: int, end: int, quotes: dict[int, tuple[int, str]]) -> Iterator[Token]:
    run: list[tuple[str, int, int]] = []  # consecutive Latin words, to be matched as phrases
    for match in _LEXEME.finditer(folded, start, end):
        if match.lastgroup == "latin":
            if run and folded[run[-1][2] : match.start()].strip(" -&/"):
                yield from _latin(run)
                run = []
            run.append((match.group(), match.start(), match.end()))
            continue
        if match.group() in "-&/" and run and folded[match.end() : match.end() + 2].strip():
            if match.group() == "-":
                continue
            if _compound(run, folded, match):
                run.append(("and", match.start(), match.end()))
                continue
        yield from _latin(run)
        run = []
        yield from _other(match, quotes)
    yield from _latin(run)


def _compound(run: list[tuple[str, int, int]], folded: str, mark: re.Match[str]) -> bool:
    """Whether "&" or "/" stands for the "and" of a known phrase: "black & white", "teal/orange"."""
    after = re.match(r"\s*([a-z]+)", folded[mark.end() : mark.end() + 20])
    return after is not None and f"{run[-1][0]} and {after.group(1)}" in index()


def _other(match: re.Match[str], quotes: dict[int, tuple[int, str]]) -> Iterator[Token]:
    group, text, start, end = match.lastgroup, match.group(), match.start(), match.end()
    if group == "hole":
        while start < end:
            yield Token("quote", quotes[start][1], "“…”", start, quotes[start][0])
            start = quotes[start][0]
    elif group == "cjk":
        yield from _chinese(text, start)
    elif group in ("strong", "weak"):
        yield Token("sep", group, text, start, end)
    elif group == "digits" or text not in _IGNORED:
        yield Token("word", text, text, start, end)


def _latin(run: list[tuple[str, int, int]]) -> Iterator[Token]:
    """Longest phrases of the vocabulary, left to right; single words also without a plural or possessive s."""
    words = [SPELLING.get(w, w).replace(" ", "") for w, _, _ in run]
    at = 0
    while at < len(words):
        for length in range(min(_longest_phrase(words[at]), len(words) - at), 0, -1):
            phrase = " ".join(words[at : at + length])
            sense = index().get(phrase)
            if sense is None and length == 1:
                sense = _stem(phrase)
            if sense is not None:
                yield Token(*sense, phrase, run[at][1], run[at + length - 1][2])
                at += length
                break
        else:
            yield Token("word", words[at], words[at], run[at][1], run[at][2])
            at += 1


def _stem(word: str) -> tuple[str, Any] | None:
    for ending in ("'s", "s'", "s", "es"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            sense = index().get(word[: -len(ending)])
            if sense is not None and sense[0] not in ("stop", "degree"):
                return sense
    return None


def _chinese(text: str, start: int) -> Iterator[Token]:
    """The segmentation with the fewest unknown characters, then the fewest words (dynamic programming)."""
    table, count = index(), len(text)
    cost = [0] * (count + 1)
    length = [1] * (count + 1)
    for i in range(count - 1, -1, -1):
        cost[i] = cost[i + 1] + 10
        for size in range(1, min(_LONGEST_CHINESE, count - i) + 1):
            if text[i : i + size] in table and cost[i + size] + 1 <= cost[i]:
                cost[i], length[i] = cost[i + size] + 1, size
    i = 0
    while i < count:
        word = text[i : i + length[i]]
        if word in table:
            yield Token(*table[word], word, start + i, start + i + length[i], cjk=True)
            i += length[i]
            continue
        j = i + 1
        while j < count and length[j] == 1 and text[j] not in table:
            j += 1
        yield Token("word", text[i:j], text[i:j], start + i, start + j, cjk=True)
        i = j


@cache
def index() -> dict[str, tuple[str, Any]]:
    """phrase -> (kind, meaning), built on first use."""
    table: dict[str, tuple[str, Any]] = {}
    for kind, meanings in LEXICON.items():
        for value, phrases in meanings.items():
            for phrase in phrases.split("|"):
                table[phrase.replace("-", " ") if phrase[0] != "-" else phrase] = (kind, value)
    for phrase, sense in list(table.items()):
        if sense[0] in _VERB_KINDS and phrase.isascii() and sense[1] != "color_pop":
            for form in _inflected(phrase):
                table.setdefault(form, sense)
    for name in (*colors.NAMES, *colors.ALIASES):
        canonical = colors.ALIASES.get(name, name)
        table.setdefault(name, ("color", canonical))
        if not name.isascii():
            table.setdefault(name + "色", ("color", canonical))
    return table


def _inflected(phrase: str) -> Iterator[str]:
    """-s, -ed and -ing of the first word: "lift up" -> "lifts up", "lifted up", "lifting up"."""
    first, _, rest = phrase.partition(" ")
    if len(first) < 3:
        return
    stem = first[:-1] if first.endswith("e") else first + first[-1] if first in _DOUBLING else first
    for form in (first + "s", stem + "ed", stem + "ing"):
        yield f"{form} {rest}" if rest else form


@cache
def _starts() -> dict[str, int]:
    longest: dict[str, int] = {}
    for phrase in index():
        words = phrase.split(" ")
        longest[words[0]] = max(longest.get(words[0], 1), len(words))
    return longest


def _longest_phrase(word: str) -> int:
    return _starts().get(word, 1)

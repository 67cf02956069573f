"""Reads a request that is not concrete: which entries of the knowledge base it wishes, and what else it says.

Every word must be accounted for: it belongs to an entry, to a concrete clause, or to the words that carry no wish.
One word that is not, and the whole request is refused, so that nothing is ever done by half.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Literal

import prompts
from agent.errors import ConfigError, Refused
from agent.rules.refusals import nothing_asked, refusal
from agent.types import Language
from editor.base import EditError
from editor.builtin import grammar
from editor.builtin.core import Op
from prompts.entries import Entry, Vocabulary
from prompts.patterns import Request, Spans, fold

Level = Literal["weaker", "plain", "stronger"]

_SEPARATOR = re.compile(
    r"[,;!?，。；！？、()（）]|\.(?!\d)|\s[-–—]\s|——|\b(?:and then|and|then|plus|also|but|while|as well as)\b"
    r"|然后|接着|并且|而且|同时|以及|再(?=[加把将给做转裁用提降添压锐模虚去写变调减])|并|和"
)
_LATIN = re.compile(r"[a-z0-9\u00c0-\u024f]+(?:['’][a-z]+)*")
_COMPLAINT = re.compile(
    r"\b(?:is|was|are|were|looks?|seems?|came out|turned out|it's|has|have)\b|\btoo\b"
    r"|太|偏|了|过|不足|不够|有点|有些|发|泛|欠|(?:照片|画面|图片|图像|地平线)"
)
_REPAIR = re.compile(
    r"\b(?:fix|repair|correct|rescue|restore|remedy|mend|salvage|recover)(?:ed|s|ing)?\b|修|校正|矫正|纠正|挽救|补救|恢复|还原"
)
_COMMAND = re.compile(r"\b(?:make|turn|let|give|add|more|be)\b|[让把将使令请变调加改弄更]")
_JOINING = re.compile(
    r"^(?:with|in|of|by|as|and|a|an|the|style|look|feel|mood|vibe|effect)\s+", re.IGNORECASE
)
_WHOLE_PLANTS = {"the foliage", "the trees", "树叶", "树木"}
_HANGING = re.compile(
    r"\b(?:on|of|in|at|from|to|under|behind|near)(?:\s+(?:the|a|an|my|this|that))?$", re.IGNORECASE
)
"""The end of words that say where, without the place."""
_GENTLY = re.compile(r"too|overd|subtl|gentl|slight|mild|太|过|轻|淡")
_COUNTS = "a|an|the|some|more|another|one|two|three|a few|few|several|many|new|big|small|little|beautiful|nice|green"
_COUNTS_ZH = "一两三几些个棵只片株朵座条位张小大新绿的"
_MEANINGLESS = re.compile(r"[\s,.;:!?，。；：！？、~～…\-–—_/()（）·*'’]+")
_LONGEST_RUN = 4
"""Separators a concrete clause may have inside, less one: "convert to black and white"."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A concrete clause in the user's words, or an entry of the knowledge base that the request matches.

    start: its place in the request. regions: what the entry is to be about, in the editor's words ("" = its default).
    said: the words of the request that the entry matches.
    """

    start: int
    text: str = ""
    entry: Entry | None = None
    level: Level = "plain"
    regions: tuple[str, ...] = ("",)
    said: str = ""


@dataclass(frozen=True, slots=True)
class _Match:
    entry: Entry
    spans: Spans

    @property
    def score(self) -> float:
        return self.entry.weight * sum(end - start for start, end in self.spans)


def is_concrete(text: str, masked: bool) -> bool:
    """Whether the editor understands every word of `text` as it stands."""
    return grammar.is_concrete(text, masked=masked)


def means_what_it_says(text: str, masked: bool) -> bool:
    """Whether to carry out a concrete `text` word by word.

    Not so where the knowledge base accounts for all of it and it is either a complaint ("the photo is blurry" asks
    for no blur) or about a thing that only a mask could show ("iron deficiency" is no part of a photo).
    """
    if not is_concrete(text, masked):
        return False
    request = Request.of(text)
    complaint = bool(_COMPLAINT.search(request.text)) and not _COMMAND.search(request.text)
    if not masked and any(op.region.kind == "mask" for op in grammar.parse(text)):
        return not _is_known(text, masked)
    if not (complaint or _REPAIR.search(request.text)):
        return True
    matches = [m for m in _matches(request) if m.entry.fault]
    groups = ("any", *(m.entry.nouns for m in matches if m.entry.nouns))
    rest = _between([span for m in matches for span in m.spans], len(text))
    return not matches or any(_unknown(request.text[start:end], groups) is not None for start, end in rest)


def _is_known(text: str, masked: bool) -> bool:
    """Whether the knowledge base accounts for `text`, what is left over being concrete and about the whole photo."""
    try:
        wishes = _abstract(text, 0, len(text), "en", masked)
    except Refused:
        return False
    return any(wish.entry for wish in wishes)


def clauses(text: str, masked: bool) -> tuple[str, ...]:
    """The clauses of a concrete text, each standing alone; `text` itself where they do not mean the same alone."""
    parts = grammar.split(text)
    if len(parts) > 1 and same(text, parts, masked):
        return tuple(parts)
    return (text,)


def same(text: str, parts: Iterable[str], masked: bool) -> bool:
    """Whether `text` asks for the operations of `parts`, one after the other, and for nothing else."""
    try:
        whole = [_meaning(op) for op in grammar.parse(text, masked=masked)]
        return whole == [_meaning(op) for part in parts for op in grammar.parse(part, masked=masked)]
    except EditError:
        return False


def _meaning(op: Op) -> tuple[object, ...]:
    return op.name, op.amount, replace(op.region, text=""), dict(op.params)


def knowledge() -> tuple[Entry, ...]:
    """The knowledge base. Raises ConfigError if a file of it is wrong."""
    try:
        return prompts.load_knowledge()
    except prompts.PromptFileError as error:
        raise ConfigError(str(error)) from error


def vocabulary() -> Vocabulary:
    """The words around a wish. Raises ConfigError if the file is wrong."""
    try:
        return prompts.load_vocabulary()
    except prompts.PromptFileError as error:
        raise ConfigError(str(error)) from error


def read(text: str, language: Language, masked: bool = False) -> list[Wish]:
    """The wishes of `text` in the order of its words. Raises Refused if a word of it is not understood."""
    asked = text
    text, gently = _without_harmless(text)
    wishes: list[Wish] = []
    for start, end, concrete in _segments(text, masked):
        if concrete:
            wishes.extend(Wish(start, clause) for clause in clauses(text[start:end], masked))
        else:
            wishes.extend(_abstract(text, start, end, language, masked))
    if any(wish.entry and wish.entry.fault for wish in wishes):
        wishes = [wish for wish in wishes if not (wish.entry and wish.entry.fallback)]
    if not wishes and not text.strip(" ,.;:!?，。；：！？"):
        raise nothing_asked(asked, language)
    if not wishes:
        raise refusal(text, text, language)
    return [replace(w, level="weaker") for w in wishes] if gently else wishes


def _without_harmless(text: str) -> tuple[str, bool]:
    """`text` without "keep the rest as it is" and the like; and whether it asks not to overdo it."""
    gently = False
    request = Request.of(text)
    for pattern in vocabulary().harmless_patterns:
        for spans in pattern.find(request):
            start, end = spans[0][0], spans[-1][1]
            gently = gently or _GENTLY.search(fold(text[start:end])) is not None
            text = text[:start] + " " * (end - start) + text[end:]
    return text, gently


def _segments(text: str, masked: bool) -> Iterator[tuple[int, int, bool]]:
    """Divide `text` into concrete clauses and the stretches between them: (start, end, whether concrete)."""
    atoms = _atoms(text)
    at, waiting = 0, None
    while at < len(atoms):
        for last in range(min(at + _LONGEST_RUN, len(atoms)), at, -1):
            start, end = atoms[at][0], atoms[last - 1][1]
            if means_what_it_says(text[start:end], masked) and not (
                waiting is not None and _complains_on(text[waiting:start], text[start:end])
            ):
                if waiting is not None:
                    yield waiting, atoms[at - 1][1], False
                yield start, end, True
                at, waiting = last, None
                break
        else:
            waiting = atoms[at][0] if waiting is None else waiting
            at += 1
    if waiting is not None:
        yield waiting, atoms[-1][1], False


def _complains_on(before: str, part: str) -> bool:
    """Whether `part` only names one more fault of a complaint: "the photo is underexposed and noisy"."""
    if not _COMPLAINT.search(fold(before)) or _COMMAND.search(fold(before)):
        return False
    request = Request.of(part)
    spans = [span for m in _matches(request) if m.entry.fault for span in m.spans]
    rest = _between(spans, len(part))
    return bool(spans) and all(_unknown(request.text[start:end], ("any",)) is None for start, end in rest)


def _atoms(text: str) -> list[tuple[int, int]]:
    """The parts of `text` between separators, without surrounding space; quotations are never cut.

    Nor is what an entry of the knowledge base takes as one: "dodge and burn".
    """
    taken = [span for match in _matches(Request.of(text)) for span in match.spans]
    marks = (m.span() for m in _SEPARATOR.finditer(fold(text)))
    cuts = [m for m in marks if not any(a <= m[0] and m[1] <= b for a, b in taken)]
    cuts = [(0, 0), *cuts, (len(text), len(text))]
    atoms = []
    for (_, start), (end, _) in pairwise(cuts):
        part = text[start:end]
        if part.strip():
            atoms.append((start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())))
    return atoms


def _abstract(text: str, start: int, end: int, language: Language, masked: bool) -> list[Wish]:
    """The wishes of one stretch that is not concrete."""
    stretch = text[start:end]
    request = Request.of(stretch)
    matches = _matches(request)
    wishes = []
    at = 0
    for number, match in enumerate(matches):
        first, last = match.spans[0][0], match.spans[-1][1]
        level = _level(request.text[min(at, first) : first])
        if level == "plain":
            following = matches[number + 1].spans[0][0] if number + 1 < len(matches) else None
            level = _level_after(request.text[last:following], match.entry, following is None)
        regions = _regions(match.entry, request.text, language)
        said = "".join(stretch[a:b] for a, b in match.spans)
        wishes.append(Wish(start + first, "", match.entry, level, regions, said))
        at = max(at, last)
    wishes.extend(_left_over(stretch, request, matches, start, language, masked))
    return sorted(wishes, key=lambda wish: wish.start)


def _matches(request: Request) -> list[_Match]:
    """The entries that match, in the order of the request; where two want the same words, the better match."""
    found = [
        _Match(entry, spans)
        for entry in knowledge()
        for pattern in entry.patterns
        for spans in pattern.find(request)
    ]
    found.sort(key=lambda m: -m.score)
    taken: set[int] = set()
    kept: dict[str, _Match] = {}
    for match in found:
        places = {i for start, end in match.spans for i in range(start, end)}
        if places & taken:
            continue
        taken |= places
        known = kept.get(match.entry.id)
        spans = (*known.spans, *match.spans) if known else match.spans
        kept[match.entry.id] = _Match(match.entry, tuple(sorted(spans)))
    return sorted(kept.values(), key=lambda m: m.spans)


def _level(before: str) -> Level:
    words = vocabulary()
    spoken = {
        *_LATIN.findall(before),
        *_longest_first((*words.weaker.zh, *words.stronger.zh)).findall(before),
    }
    if spoken & words.weaker.all:
        return "weaker"
    return "stronger" if spoken & words.stronger.all else "plain"


def _level_after(after: str, entry: Entry, is_last: bool) -> Level:
    """The degree told behind what it is about: "potassium deficiency, severe", "晒黑一点"."""
    if not is_last:
        after = _SEPARATOR.split(after, maxsplit=1)[0] if _SEPARATOR.search(after) else ""
    groups = ("any", entry.nouns) if entry.nouns else ("any",)
    return _level(after) if _unknown(after, groups) is None else "plain"


def _regions(entry: Entry, folded: str, language: Language) -> tuple[str, ...]:
    """The parts of the photo that the request names for this entry, in the editor's words."""
    if entry.region is None or not entry.nouns:
        return ("",)
    table = vocabulary().nouns[entry.nouns].get(language)
    if language == "en":
        named = [table[word] for word in _LATIN.findall(folded) if word in table]
    else:
        named = [table[m] for m in _longest_first(tuple(table)).findall(folded)]
    regions = tuple(dict.fromkeys(named))
    if len(regions) > 1 and set(regions) <= {"the leaf", "叶片"} | _WHOLE_PLANTS:
        return tuple(region for region in regions if region in _WHOLE_PLANTS)[-1:]
    return regions or ("",)


def _left_over(
    stretch: str, request: Request, matches: Sequence[_Match], offset: int, language: Language, masked: bool
) -> Iterator[Wish]:
    """What no entry took: concrete clauses about the whole photo. Raises Refused for any word beyond those."""
    groups = ("any", *(m.entry.nouns for m in matches if m.entry.nouns))
    _refuse_things(stretch, request, matches, groups, language)
    for start, end in _between([span for m in matches for span in m.spans], len(stretch)):
        unknown = _unknown(request.text[start:end], groups)
        if unknown is None:
            continue
        part = _without_nouns(_trimmed(stretch[start:end]), groups, masked)
        whole = part and is_concrete(part, masked) and _about_the_whole(part, masked)
        if not whole or _HANGING.search(part):  # "kill the highlights on the" snow
            place = start + unknown
            raise refusal(_atom_at(stretch, place), stretch[place:end], language, around=stretch)
        yield Wish(offset + start, _from_its_verb(part, masked))


def _without_nouns(part: str, groups: tuple[str, ...], masked: bool) -> str:
    """`part` without a last word that carries no wish, where that makes it a wish: "dark" of a "dark forest"."""
    shorter = part.rpartition(" ")[0]
    if not shorter or (is_concrete(part, masked) and _about_the_whole(part, masked)):
        return part
    return shorter if _unknown(fold(part[len(shorter) :]), groups) is None else part


def _refuse_things(
    stretch: str, request: Request, matches: Sequence[_Match], groups: tuple[str, ...], language: Language
) -> None:
    """Raise Refused for "add a tree": the nouns of an entry say what it is about, not what is to appear or go."""
    left = list(request.text)
    for start, end in (span for match in matches for span in match.spans):
        left[start:end] = "，" * (end - start)
    if found := _things(groups).search("".join(left)):
        raise refusal(_atom_at(stretch, found.start()), stretch[found.start() : found.end()], language)


@cache
def _things(groups: tuple[str, ...]) -> re.Pattern[str]:
    words = vocabulary()
    english, chinese = set[str](), set[str]()
    for group in groups:
        english.update(words.nouns[group].en)
        chinese.update(words.nouns[group].zh)
    verbs = [words.verbs[kind] for kind in ("add", "remove", "replace")]

    def either(options: Iterable[str]) -> str:
        return "|".join(map(re.escape, sorted(options, key=lambda word: (-len(word), word))))

    return re.compile(
        rf"\b(?:{either(w for v in verbs for w in v.en)})(?:\s+(?:{_COUNTS})){{0,4}}\s+(?:{either(english)})\b"
        rf"|(?:{either(w for v in verbs for w in v.zh)})[{_COUNTS_ZH}]{{0,4}}(?:{either(chinese)})"
    )


def _from_its_verb(text: str, masked: bool) -> str:
    """`text` without leading words that joined it to its neighbour: "style with film grain" is "film grain"."""
    while (rest := _JOINING.sub("", text, count=1)) != text and same(text, [rest], masked):
        text = rest
    return text


def _about_the_whole(text: str, masked: bool) -> bool:
    ops = grammar.parse(text, masked=masked)
    # "ripen the apples by turning them red" does not mean the photo
    return all(op.region.kind == "whole" and op.name != "recolor" for op in ops)


def _between(spans: list[tuple[int, int]], length: int) -> Iterator[tuple[int, int]]:
    at = 0
    for start, end in sorted(spans):
        if start > at:
            yield at, start
        at = max(at, end)
    if at < length:
        yield at, length


def _unknown(folded: str, groups: tuple[str, ...]) -> int | None:
    """Where the first character stands that belongs to no word without a wish of its own; None if there is none."""
    english, chinese = _without_wish(groups)
    left = _LATIN.sub(lambda m: " " * len(m.group()) if _bare(m.group()) in english else m.group(), folded)
    left = chinese.sub(lambda m: " " * len(m.group()), left)
    left = _MEANINGLESS.sub(lambda m: " " * len(m.group()), left)
    return None if left.isspace() or not left else len(left) - len(left.lstrip())


def _bare(word: str) -> str:
    return word.replace("’", "'").removesuffix("'s")


@cache
def _without_wish(groups: tuple[str, ...]) -> tuple[frozenset[str], re.Pattern[str]]:
    """The words that may be left over next to entries of these groups of nouns."""
    words = vocabulary()
    english = {*words.filler.en, *words.weaker.en, *words.stronger.en}
    chinese = {*words.filler.zh, *words.weaker.zh, *words.stronger.zh}
    for group in groups:
        english.update(words.nouns[group].en)
        chinese.update(words.nouns[group].zh)
    return frozenset(english), _longest_first(tuple(chinese))


@cache
def _longest_first(words: tuple[str, ...]) -> re.Pattern[str]:
    """Any of `words`, the longest that fits (literal alternatives: matching is linear)."""
    return re.compile("|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word)))))


def _trimmed(text: str) -> str:
    """`text` without separators at its ends."""
    part = text.strip()
    while True:
        folded = fold(part)
        first = _SEPARATOR.match(folded)
        last = next((m for m in _SEPARATOR.finditer(folded) if m.end() == len(folded)), None)
        if first is None and last is None:
            return part
        part = part[first.end() if first else 0 : last.start() if last else None].strip()


def _atom_at(text: str, place: int) -> str:
    return next((text[start:end] for start, end in _atoms(text) if start <= place < end), text)

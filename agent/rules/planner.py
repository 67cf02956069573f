"""The built-in Reasoner's thinking: a request to one to three steps in the built-in editor's language.

A concrete request passes through unchanged. Any other is looked up in the knowledge base; what is in neither is
refused as a whole, in a sentence that names what would do it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from agent.errors import Refused
from agent.instruction import clean_instruction
from agent.rules.refusals import colorizing, grammar_says, nothing_asked, refusal
from agent.rules.wishes import Level, Wish, clauses, means_what_it_says, read, same
from agent.types import MAX_STEPS, Language, Plan, language_of
from editor.base import EditError
from editor.builtin import grammar
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import Op
from editor.builtin.grammar.words import read as read_words

_SAME = {"sepia": "monochrome", "black_and_white": "monochrome", "exposure": "light", "brightness": "light"}
"""Operations of which only one can hold."""

_SAID: dict[Level, tuple[str, ...]] = {
    "weaker": ("strongly ", " strongly", "明显", "大幅"),
    "stronger": ("slightly ", " slightly", "slight ", "subtle ", "稍微", "轻微的", "轻微"),
}
"""Words of a sentence that stand against the degree asked for."""
_STAGES: tuple[frozenset[str], ...] = (
    frozenset({"crop", "aspect", "rotate", "straighten", "flip", "resize", "inpaint"}),
    frozenset({"auto_levels", "white_balance", "denoise"}),
    frozenset({"recolor"}),
)
_KINDS = ("plant", "light", "weather", "tone", "colour", "film", "detail", "effect")
_LAST = {"vignette": 1, "grain": 1, "border": 2, "text": 3, "watermark": 3}
_JOINTS: dict[Language, tuple[str, ...]] = {"en": (", ", "; ", ". "), "zh": ("，", "；", "。")}
"""Between joined sentences; the first that keeps their meaning (a clause may borrow words from its neighbour)."""
_CUT = re.compile(r"[,;，；。]|\s(?=but\b|except\b)|但", re.IGNORECASE)
"""Where a clause may begin that says what is to stay as it is."""
_UNWANTED: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"(?:(?<=[\s,;.(])|^)(?:(?:but|and|with)\s+)*(?:no|not|without|don't|dont|do not|never|avoid)\s+"
        r"(?:(?:any|extra|more|additional|the|a|an|too|so|very|overly|add|adding|make|making|let|get|become|becoming|"
        r"turn|turning|it)\s+)*([^,;.!?()]+?)(?=\s*(?:$|[,;.!?()]|\s[-–—]\s|\bbut\b|\band\b))",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"(?:(?<=[\s，,；;。、（(])|^)(?:但是|但|而且|并且)?(?:不要|别|不用|不|无|没有|请勿|勿)"
        r"(?:加上|添加|加|带|有|任何|太|过于|那么|让它|让照片|变得|再)*([^，,；;。！？!?、（）()]+)"
    ),
}
"""What is not to be done: "cinematic, but no vignette", "不要变暗，只加对比"."""
_COMMANDS = {"action", "verb", "ba", "up", "down", "add", "remove", "recolor", "write", "watermark", "crop", "rotate",
             "straighten", "flip", "resize"}  # fmt: skip
"""Kinds of words that a command begins with."""
_JOIN = r"(?:[\s,，;；.。、!！]|\b(?:and|then)\b|然后|接着|并且|[再并])+"
_OUTER = re.compile(rf"^{_JOIN}|{_JOIN}$", re.IGNORECASE)
"""What joins a clause to others, at either end."""
_TOO = re.compile(r"\b(?:too|overly|without (?:making|turning|getting))\b|太|过于|偏", re.IGNORECASE)
_PROBE: dict[Language, str] = {"en": "brighten the photo", "zh": "把照片调亮"}
_CONCRETE: dict[Language, str] = {
    "en": "The request is concrete; it is carried out as it stands.",
    "zh": "请求已经足够具体，原样执行。",
}
_AGAINST: dict[Language, str] = {
    "en": "“{}” contradicts what is not wanted: “{}”.",
    "zh": "“{}”与不要的“{}”互相矛盾。",
}
_PRACTICE = (
    ("common photographic practice", "摄影惯例"),
    ("common cinematographic practice", "电影摄影惯例"),
    ("common video practice", "视频制作惯例"),
    ("common practice", "图像处理惯例"),
)
"""Sources that are no publications, and their Chinese names."""
_TOO_MANY: dict[Language, str] = {
    "en": "The request needs {} steps that cannot be joined to three; give it in two parts.",
    "zh": "该请求需要 {} 个步骤，无法合并为三步；请分两次提出。",
}


def plan(instruction: str, *, masked: bool = False) -> Plan:
    """The steps that carry out `instruction`, in its own language.

    masked: the user gave a mask or a region. Raises UsageError for what is no instruction, Refused
    for one that the built-in editor cannot carry out as a whole.
    """
    text = _one_line(clean_instruction(instruction))
    language = language_of(text)
    if means_what_it_says(text, masked):
        return _unchanged(text, language, masked)
    if refused := colorizing(text, language):
        raise refused
    text, spared = _without_spared(text, language, masked)
    text, unwanted = _without_unwanted(text, language, masked)
    wishes = read(text, language, masked)
    own = _JOINTS[language][0].join(wish.text for wish in wishes if wish.entry is None)
    if own and (said := grammar_says(own, masked=masked)):
        raise Refused(said)
    kept, dropped = _settle(wishes)
    units = _merge([unit for wish in kept for unit in _units(wish, language, masked)])
    units = _wanted(units, unwanted, language, masked)
    if len(kept) > 1 and any(wish.entry for wish in kept):
        units.sort(key=_stage)
    steps = _three([unit.text for unit in units], language, masked)
    return Plan(
        steps=tuple(_sparing(step, spared, language) for step in steps) if spared else steps,
        reasoning=_reasoning(kept, dropped, unwanted, language),
        rewritten=any(wish.entry for wish in kept),
    )


@dataclass(frozen=True, slots=True)
class _Unwanted:
    """What a request says is not to be done: in its words, and as operations."""

    text: str
    ops: tuple[Op, ...]
    excess: bool = False
    """Whether only too much of it is not wanted."""

    def forbids(self, op: Op) -> bool:
        """Whether `op` would do it, or some of it."""
        return any(_family(op) == _family(other) for other in self.ops)


def _family(op: Op) -> tuple[str, bool]:
    """What an operation does, and whether more or less of it."""
    name = "light" if op.name == "gamma" else _SAME.get(op.name, op.name)
    return name, (op.amount < 1 if op.name == "gamma" else op.amount < 0)


def _without_unwanted(text: str, language: Language, masked: bool) -> tuple[str, list[_Unwanted]]:
    """`text` without what it says is not to be done, where the editor knows what that is and more is said."""
    unwanted: list[_Unwanted] = []
    left = text
    for found in _UNWANTED[language].finditer(text):
        ops = _operations(found.group(1), language, masked)
        if ops and all(op.region.kind in ("whole", "named") and op.region.text == "" for op in ops):
            excess = _TOO.search(found.group()) is not None
            unwanted.append(_Unwanted(found.group(1).strip(), ops, excess))
            left = left[: found.start()] + " " * (found.end() - found.start()) + left[found.end() :]
    left = " ".join(left.strip(" ,;，；。、-–—").split())
    return (left, unwanted) if left else (text, [])


def _operations(words: str, language: Language, masked: bool) -> tuple[Op, ...]:
    """What the words ask for, and for a bare property, as in "no extra saturation", more of it; () for neither."""
    for text in (words, f"提高{words}" if language == "zh" else f"more {words}"):
        with suppress(EditError):
            return grammar.parse(text, masked=masked)
    return ()


def _wanted(
    units: list[_Unit], unwanted: Sequence[_Unwanted], language: Language, masked: bool
) -> list[_Unit]:
    """The units without what is not to be done. Raises Refused where the request asks for that, or for no more."""
    kept: list[_Unit] = []
    for unit in units:
        against = [one for one in unwanted if any(one.forbids(op) for op in unit.ops)]
        if not against:
            kept.append(unit)
        elif unit.own:
            if not against[0].excess:
                raise Refused(_AGAINST[language].format(unit.text, against[0].text))
            softened = _at_level(unit.text, "weaker", language, masked)
            kept.append(replace(unit, text=softened, ops=grammar.parse(softened, masked=masked)))
        else:
            parts = [(part, grammar.parse(part, masked=masked)) for part in clauses(unit.text, masked)]
            kept += [
                replace(unit, text=part, ops=ops)
                for part, ops in parts
                if not any(one.forbids(op) for one in against for op in ops)
            ]
    if not kept:
        raise nothing_asked(", ".join(one.text for one in unwanted), language)
    return kept


def divided(instruction: str, *, masked: bool = False) -> tuple[str, ...]:
    """A request that is not concrete, with the exact clauses before and after the rest as steps of their own."""
    text = _one_line(clean_instruction(instruction))
    parts = grammar.split(text)
    first, last = 0, len(parts)
    while first < last and _stands_alone(parts[first], masked):
        first += 1
    while last > first and _stands_alone(parts[last - 1], masked):
        last -= 1
    if first == last or not (first or last < len(parts)):
        return (instruction,)
    begin, end = text.find(parts[first]), text.rfind(parts[last - 1])
    if min(begin, end) < 0:
        return (instruction,)
    end += len(parts[last - 1])
    ends = (text[:begin], parts[:first]), (text[end:], parts[last:])
    if not all(same(words, exact, masked) for words, exact in ends if exact):
        return (instruction,)
    found = (_OUTER.sub("", words) for words in (text[:begin], text[begin:end], text[end:]))
    return tuple(step for step in found if step)


def _stands_alone(clause: str, masked: bool) -> bool:
    """Whether a clause is a command of exact operations, on the photo or a part that can be found in it.

    "Make it red" may be about what the clause before adds.
    """
    tokens = read_words(clause).tokens
    content = [t.kind for t in tokens if t.kind not in ("stop", "sep")]
    try:
        ops = grammar.parse(clause, masked=masked)
    except EditError:
        return False
    framing = all(op.name in ("crop", "aspect") for op in ops)  # of a photo, also when it says "it"
    return (
        content[0] in _COMMANDS
        and ("pron" not in content or framing)
        and all(OPERATIONS[op.name].exact and op.region.kind != "mask" for op in ops)
    )


def _without_spared(text: str, language: Language, masked: bool) -> tuple[str, str]:
    """`text` without a first or last clause that only says what is to stay as it is, and that clause with its mark:
    ", but not the sky".
    """
    for cut in _CUT.finditer(text):
        head, tail = text[: cut.start()].rstrip(), text[cut.start() :]
        if head and not masked and _spares(_PROBE[language], tail):
            return head, tail
        first, rest = _JOINTS[language][0] + head, text[cut.end() :].strip()
        if rest and head and not masked and _spares(_PROBE[language], first):
            return rest, first
    return text, ""


def _sparing(step: str, spared: str, language: Language) -> str:
    """A step that leaves out what the request spares; one that names a part of its own stays. Raises Refused."""
    if all(op.region.kind != "whole" for op in grammar.parse(step)):
        return step + spared if _spares(step, spared) else step
    if not _spares(step, spared):
        raise refusal(spared.strip(" ,，;；。"), spared, language)
    return step + spared


def _spares(step: str, tail: str) -> bool:
    """Whether `tail` takes a part out of every operation of a step, and changes nothing else of it."""
    try:
        before, after = grammar.parse(step), grammar.parse(step + tail)
    except EditError:
        return False
    return len(before) == len(after) and all(
        (new.region.invert or new.region.minus is not None)
        and replace(new, region=old.region, text=old.text) == old
        for old, new in zip(before, after, strict=True)
    )


def _one_line(instruction: str) -> str:
    """Without line breaks, and without characters that nobody sees."""
    kept = []
    for char in instruction:
        category = unicodedata.category(char)
        kept.append(" " if category in ("Cc", "Co", "Cn") else "" if category == "Cf" else char)
    return " ".join("".join(kept).split())


def _unchanged(text: str, language: Language, masked: bool) -> Plan:
    steps = _three(clauses(text, masked), language, masked)
    return Plan(steps=steps, reasoning=_CONCRETE[language], rewritten=False)


def _three(sentences: Sequence[str], language: Language, masked: bool) -> tuple[str, ...]:
    """At most MAX_STEPS steps: what is beyond is joined to the last one, in order and with the same meaning."""
    head, tail = sentences[: MAX_STEPS - 1], sentences[MAX_STEPS - 1 :]
    if len(tail) < 2:
        return tuple(sentences)
    joined = (mark.join(tail) for mark in _JOINTS[language])
    step = next((text for text in joined if same(text, tail, masked)), None)
    if step is None:
        raise Refused(_TOO_MANY[language].format(len(sentences)))
    return (*head, step)


def _settle(wishes: list[Wish]) -> tuple[list[Wish], list[tuple[Wish, Wish]]]:
    """Resolve contradictions between entries: the heavier holds, then the later one. Second: (dropped, by which)."""
    kept = list(wishes)
    dropped: list[tuple[Wish, Wish]] = []
    for index, later in enumerate(wishes):
        for earlier in wishes[:index]:
            a, b = earlier.entry, later.entry
            if a is None or b is None or a.id == b.id or earlier not in kept or later not in kept:
                continue
            if b.id in a.excludes or a.id in b.excludes:
                loser = later if a.weight > b.weight else earlier
                kept.remove(loser)
                dropped.append((earlier, later) if loser is earlier else (later, earlier))
    return kept, dropped


@dataclass(frozen=True, slots=True)
class _Unit:
    """One sentence of the plan. own: in the user's own words."""

    text: str
    ops: tuple[Op, ...]
    own: bool
    weight: float = 1.0

    @property
    def keys(self) -> frozenset[tuple[str, str]]:
        """What it acts on: (operation or its family, region)."""
        return frozenset((_SAME.get(op.name, op.name), _place(op)) for op in self.ops)


def _place(op: Op) -> str:
    region = op.region
    where = (
        region.kind,
        region.name,
        region.rect or "",
        region.within,
        region.invert,
        op.params.get("part", ""),
    )
    return ":".join(map(str, where))


def _units(wish: Wish, language: Language, masked: bool) -> list[_Unit]:
    if wish.entry is None:
        text = _at_level(wish.text, wish.level, language, masked)
        return [_Unit(text, grammar.parse(text, masked=masked), own=True)]
    sentences = [s for region in wish.regions for s in wish.entry.sentences(language, region)]
    sentences = [_at_level(s, wish.level, language, masked) for s in sentences]
    return [_Unit(s, grammar.parse(s, masked=masked), own=False, weight=wish.entry.weight) for s in sentences]


def _at_level(sentence: str, level: Level, language: Language, masked: bool) -> str:
    """`sentence` made weaker or stronger, where it does not say its strength itself and the editor can."""
    if level == "plain":
        return sentence
    for said in _SAID[level]:
        # of what is strong or slight by itself the plain degree is weaker, or stronger
        if said in sentence:
            return sentence.replace(said, "", 1)
    word = {"weaker": {"en": "slightly ", "zh": "稍微"}, "stronger": {"en": "strongly ", "zh": "大幅"}}[
        level
    ][language]
    try:
        before, after = grammar.parse(sentence, masked=masked), grammar.parse(word + sentence, masked=masked)
    except EditError:
        return sentence
    sign = -1 if level == "weaker" else 1
    same = [op.name for op in before] == [op.name for op in after] and [_place(op) for op in before] == [
        _place(op) for op in after
    ]
    moved = all(sign * (abs(b.amount) - abs(a.amount)) > 0 for a, b in zip(before, after, strict=False))
    return word + sentence if same and moved else sentence


def _merge(units: Iterable[_Unit]) -> list[_Unit]:
    """Join what does the same: the user's own words hold, the stronger of two, the heavier or later of opposites."""
    merged: list[_Unit] = []
    for unit in units:
        rival = next(
            (u for u in merged if u.keys & unit.keys and (u.keys <= unit.keys or unit.keys <= u.keys)), None
        )
        if rival is None or (rival.own and unit.own):
            merged.append(unit)
        else:
            winner = unit if _holds(unit, rival) else rival
            weight = max(unit.weight, rival.weight) if _alike(unit, rival) else winner.weight
            merged[merged.index(rival)] = replace(winner, weight=weight)
    return merged


def _holds(unit: _Unit, rival: _Unit) -> bool:
    """Whether `unit` takes the place of the earlier `rival`."""
    if unit.own or rival.own:
        return unit.own
    if not rival.keys <= unit.keys:
        return False
    if unit.keys != rival.keys:
        return True
    if _alike(unit, rival):
        return _strength(unit) > _strength(rival)
    return unit.weight >= rival.weight


def _alike(a: _Unit, b: _Unit) -> bool:
    """Whether both push in the same direction."""
    return all(
        x.name == y.name and (x.amount >= 0) == (y.amount >= 0) and dict(x.params) == dict(y.params)
        for x, y in zip(a.ops, b.ops, strict=False)
    )


def _strength(unit: _Unit) -> float:
    return sum(abs(op.amount) for op in unit.ops)


def _stage(unit: _Unit) -> int:
    """Where it belongs in a photographer's order: frame, repair, colours of things, light, tone, look, edges."""
    name = unit.ops[0].name
    for stage, names in enumerate(_STAGES):
        if name in names:
            return stage
    if name in _LAST:
        return len(_STAGES) + len(_KINDS) + _LAST[name]
    kind = OPERATIONS[name].kind
    return len(_STAGES) + (_KINDS.index(kind) if kind in _KINDS else len(_KINDS))


def _reasoning(
    kept: Sequence[Wish],
    dropped: Sequence[tuple[Wish, Wish]],
    unwanted: Sequence[_Unwanted],
    language: Language,
) -> str:
    """Which knowledge was used, what is visible, and who says so; in Chinese under the words of the request."""
    known = {wish.entry.id: (wish.said, wish.entry) for wish in kept if wish.entry}
    if not known and not unwanted:
        return _CONCRETE[language]
    if language == "zh":
        used = [f"“{said}”：{e.reasoning.zh}（来源：{_source(e.source)}）" for said, e in known.values()]
        left = [f"未采用“{a.said}”：与“{b.said}”矛盾。" for a, b in dropped]
        avoided = [f"按要求不做：{one.text}。" for one in unwanted]
        return "".join((*used, *left, *avoided))
    used = [f"{e.id}: {e.reasoning.en} (Source: {e.source}.)" for _, e in known.values()]
    left = [f"{_id(a)} is left out: it contradicts {_id(b)}." for a, b in dropped]
    avoided = [f"Not done, as asked: {one.text}." for one in unwanted]
    return " ".join((*used, *left, *avoided))


def _id(wish: Wish) -> str:
    return wish.entry.id if wish.entry else wish.text


def _source(source: str) -> str:
    """A source in Chinese: titles as they are, common practice by its Chinese name."""
    parts = [part.strip() for part in source.split(";")]
    said = (next((zh for en, zh in _PRACTICE if part.lower().startswith(en)), part) for part in parts)
    return "；".join(said)

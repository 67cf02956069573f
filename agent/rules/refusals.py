"""Says no in one sentence: what cannot be done, and what would do it."""

from __future__ import annotations

import re
from functools import cache

from agent.errors import Refused
from agent.types import Language
from editor.base import EditError
from editor.builtin import grammar
from editor.builtin.grammar.messages import Beyond, Contradiction
from editor.builtin.grammar.words import index
from prompts import load_vocabulary
from prompts.patterns import fold

_MODEL = 'reedit apply PHOTO "..." --reasoner vlm --editor qwen-image-edit'
_MASK = 'reedit apply PHOTO "..." --mask MASK.png'
_TARGETS = {"prop", "quality", "action", "look", "region", "up", "down", "color", "crop", "rotate", "straighten",
            "flip", "resize", "border", "watermark", "symptom", "recolor"}  # fmt: skip
"""Kinds of words that a misspelt word may have been."""
_LONGEST = 60
"""Characters of the user's words that a message repeats."""

_SENTENCES: dict[str, dict[Language, str]] = {
    "add": {
        "en": f"The built-in editor cannot add “{{}}”; a generative editor can: {_MODEL} (see reedit editors).",
        "zh": f"内置编辑器无法添加“{{}}”；生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "remove": {
        "en": f"The built-in editor can remove “{{}}” only where a mask marks it: {_MASK}; "
        f"a generative editor finds it by itself: {_MODEL} (see reedit editors).",
        "zh": f"内置编辑器只有在蒙版标出位置时才能去掉“{{}}”：{_MASK}；"
        f"生成式编辑器可以自行找到它：{_MODEL}（见 reedit editors）。",
    },
    "replace": {
        "en": "The built-in editor cannot replace one thing with another (“{}”); "
        f"a generative editor can: {_MODEL} (see reedit editors).",
        "zh": f"内置编辑器无法把一样东西换成另一样（“{{}}”）；生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "pose": {
        "en": "The built-in editor cannot change a pose or an expression (“{}”); "
        f"a generative editor can: {_MODEL} (see reedit editors).",
        "zh": f"内置编辑器无法改变姿势或表情（“{{}}”）；生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "detail": {
        "en": "The built-in editor cannot invent detail (“{}”); it can make a photo larger (upscale 2x) and sharper, "
        f"a generative editor can do more: {_MODEL} (see reedit editors).",
        "zh": "内置编辑器无法凭空补出细节（“{}”）；它可以放大两倍、锐化，"
        f"生成式编辑器可以做得更多：{_MODEL}（见 reedit editors）。",
    },
    "body": {
        "en": "The built-in editor cannot change a body or an age (“{}”); "
        f"a generative editor can: {_MODEL} (see reedit editors).",
        "zh": f"内置编辑器无法改变体型或年龄（“{{}}”）；生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "clothes": {
        "en": "The built-in editor cannot change clothes, hair or make-up (“{}”); "
        f"a generative editor can: {_MODEL} (see reedit editors).",
        "zh": f"内置编辑器无法更换衣服、发型或妆容（“{{}}”）；生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "misspelt": {
        "en": "Not understood: “{}”; did you mean “{}”?",
        "zh": "未能理解：“{}”；您是想说“{}”吗？",
    },
    "nothing": {
        "en": "The request asks for no change (“{}”); say what to change, for example: increase the contrast.",
        "zh": "该请求没有要求任何修改（“{}”）；请说明要改什么，例如：提高对比度。",
    },
    "negation": {
        "en": f"Not understood: “{{}}”; say what to do rather than what to avoid, or let a model read it: {_MODEL}.",
        "zh": f"未能理解：“{{}}”；请说明要做什么，而不是不要什么，或交给模型理解：{_MODEL}。",
    },
    "unknown": {
        "en": "Not understood: “{}”; say it as a concrete change (see reedit editors), "
        f"or let a model read it: {_MODEL}.",
        "zh": f"未能理解：“{{}}”；请换成具体的修改（见 reedit editors），或交给模型理解：{_MODEL}。",
    },
}

_INTO = re.compile(r"\b(?:turn|change|transform|convert|make)\b.{1,40}?\b(?:into|to)\b|(?:变成|变为|改成)")


def refusal(clause: str, unknown: str, language: Language) -> Refused:
    """The refusal of `clause`, whose words from `unknown` on are not understood."""
    if (typo := _typo(clause)) is not None:
        return Refused(_SENTENCES["misspelt"][language].format(*typo))
    if (said := grammar_says(clause)) is not None:
        return Refused(said)
    kind, words = _kind(clause, unknown)
    return Refused(_SENTENCES[kind][language].format(_short(words)))


def nothing_asked(request: str, language: Language) -> Refused:
    """The refusal of a request that only says what to leave as it is."""
    return Refused(_SENTENCES["nothing"][language].format(_short(request)))


def grammar_says(clause: str, *, masked: bool = False) -> str | None:
    """The editor's own words where it knows every word and still cannot act: "+9 EV", "brighter and darker"."""
    try:
        grammar.parse(clause, masked=masked)
    except (Beyond, Contradiction) as error:
        return str(error)
    except EditError:
        return None
    return None


def _typo(clause: str) -> tuple[str, str] | None:
    """The first unknown word of `clause` that is nearly a known one, and that word. It is asked, never assumed."""
    from difflib import get_close_matches

    targets, known = _spellings()
    for word in re.findall(r"[a-z]{4,}", fold(clause)):
        if word in known or word.removesuffix("s") in known:
            continue
        shuffled = next((t for t in targets if len(t) == len(word) and sorted(t) == sorted(word)), None)
        near = [t for t in get_close_matches(word, targets, n=3, cutoff=0.84) if t[0] == word[0]]
        if shuffled or near:
            return word, shuffled or near[0]
    return None


@cache
def _spellings() -> tuple[tuple[str, ...], frozenset[str]]:
    """Words that name an operation, a direction or a part of a photo; and all words that are known at all."""
    targets, known = set[str](), set[str]()
    for phrase, (kind, _) in index().items():
        words = re.findall(r"[a-z]{4,}", phrase)
        known.update(words)
        if kind in _TARGETS and words == [phrase] and not phrase.endswith(("ing", "ed", "s")):
            targets.add(phrase)
    vocabulary = load_vocabulary()
    for group in vocabulary.nouns.values():
        known.update(group.en)
    for words_ in (vocabulary.filler, *vocabulary.verbs.values(), vocabulary.weaker, vocabulary.stronger):
        known.update(words_.en)
    return tuple(sorted(targets)), frozenset(known)


def _kind(clause: str, unknown: str) -> tuple[str, str]:
    folded = fold(clause)
    vocabulary = load_vocabulary()
    if _position(folded, vocabulary.negations.en, vocabulary.negations.zh):
        return "negation", clause
    for kind in ("remove", "replace", "pose", "clothes", "body", "add", "detail"):
        verbs = vocabulary.verbs[kind]
        if span := _position(folded, verbs.en, verbs.zh):
            thing = clause[span[1] :].strip(" ,.;:，。；：")
            return kind, thing if thing and kind in ("remove", "add") else clause
    if _INTO.search(folded):
        return "replace", clause
    return "unknown", unknown


def _position(folded: str, english: tuple[str, ...], chinese: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the first of the words stands in `folded`."""
    latin = "|".join(map(re.escape, english))
    other = "|".join(map(re.escape, sorted(chinese, key=len, reverse=True)))
    found = re.search(rf"\b(?:{latin})\b|(?:{other})", folded)
    return found.span() if found else None


def _short(text: str) -> str:
    text = " ".join(text.split()).strip("“”\"' ,.;，。；")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

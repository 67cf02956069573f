"""Says no in one sentence: what cannot be done, and what would do it."""

from __future__ import annotations

import re

from agent.errors import Refused
from agent.types import Language
from prompts import load_vocabulary
from prompts.patterns import fold

_MODEL = 'reedit apply PHOTO "..." --reasoner vlm --editor qwen-image-edit'
_MASK = 'reedit apply PHOTO "..." --mask MASK.png'
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
    kind, words = _kind(clause, unknown)
    return Refused(_SENTENCES[kind][language].format(_short(words)))


def _kind(clause: str, unknown: str) -> tuple[str, str]:
    folded = fold(clause)
    vocabulary = load_vocabulary()
    if _position(folded, vocabulary.negations.en, vocabulary.negations.zh):
        return "negation", clause
    for kind in ("remove", "replace", "pose", "add"):
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

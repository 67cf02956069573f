"""Says no in one sentence: what cannot be done, and what would do it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from agent.errors import Refused
from agent.types import Language
from editor.base import EditError
from editor.builtin import grammar
from editor.builtin.grammar.lexicon import SPELLING
from editor.builtin.grammar.messages import Beyond, Contradiction
from editor.builtin.grammar.words import Token, index, read
from prompts import load_knowledge, load_vocabulary
from prompts.patterns import Request, fold

_MODEL = 'reedit apply PHOTO "..." --reasoner vlm --editor qwen-image-edit'
_MASK = 'reedit apply PHOTO "..." --mask MASK.png'
_TARGETS = {"prop", "quality", "action", "look", "region", "up", "down", "color", "crop", "rotate", "straighten",
            "flip", "resize", "border", "watermark", "symptom", "recolor", "axis", "degree", "place"}  # fmt: skip
"""Kinds of words that a misspelt word may have been."""
_LONG_ENOUGH = 5
"""Letters above which a word of the knowledge base is not taken for another by chance."""
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
    "colorize": {
        "en": "The built-in editor cannot guess the colours of a black and white photo (“{}”); "
        f"a generative editor can: {_MODEL} (see reedit editors).",
        "zh": f"内置编辑器无法猜出黑白照片的颜色（“{{}}”）；生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "move": {
        "en": "The built-in editor cannot move, enlarge or shrink a thing in the photo (“{}”); "
        f"a generative editor can: {_MODEL} (see reedit editors).",
        "zh": "内置编辑器无法移动或放大、缩小照片里的东西（“{}”）；"
        f"生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "extend": {
        "en": "The built-in editor cannot continue the photo beyond its frame (“{}”); it can add a border, "
        f"a generative editor can do more: {_MODEL} (see reedit editors).",
        "zh": "内置编辑器无法把画面延伸到照片之外（“{}”）；它可以加边框，"
        f"生成式编辑器可以做得更多：{_MODEL}（见 reedit editors）。",
    },
    "perspective": {
        "en": "The built-in editor cannot correct perspective (“{}”); it can rotate by an angle and straighten "
        f"the horizon, a generative editor can do more: {_MODEL} (see reedit editors).",
        "zh": "内置编辑器无法校正透视（“{}”）；它可以按角度旋转和拉直地平线，"
        f"生成式编辑器可以做得更多：{_MODEL}（见 reedit editors）。",
    },
    "shape": {
        "en": "The built-in editor cannot change the shape of a leaf or let it fall (“{}”), only its colours; "
        f"a generative editor can: {_MODEL} (see reedit editors).",
        "zh": "内置编辑器无法改变叶片的形状或让叶子掉落（“{}”），只能改变颜色；"
        f"生成式编辑器可以：{_MODEL}（见 reedit editors）。",
    },
    "cutout": {
        "en": "The built-in editor cannot cut a thing out or give it another scene (“{}”); it can paint or blur the "
        f"background: “make the background white”. A generative editor can do more: {_MODEL} (see reedit editors).",
        "zh": "内置编辑器无法抠图或换成别的场景（“{}”）；它可以把背景变成一种颜色或虚化：“把背景变成白色”。"
        f"生成式编辑器可以做得更多：{_MODEL}（见 reedit editors）。",
    },
    "format": {
        "en": "The file format is not an edit (“{}”): it follows the name of the output, as in -o photo.png; "
        "a smaller file comes from “resize to 50%”.",
        "zh": "文件格式不属于编辑内容（“{}”）：它由输出文件名决定，例如 -o photo.png；"
        "想要更小的文件，可以说“缩小到50%”。",
    },
    "words": {
        "en": "Which words to write is not said (“{}”); put them in quotation marks: write “HELLO” at the top.",
        "zh": "没有说明要写什么文字（“{}”）；请放在引号里：在顶部写上“你好”。",
    },
    "red-eye": {
        "en": "The built-in editor does not find red eyes by itself (“{}”); mark the pupils and say "
        '“make it black”: reedit apply PHOTO "make it black" --mask MASK.png.',
        "zh": "内置编辑器无法自行找到红眼（“{}”）；请标出瞳孔并说“变成黑色”："
        'reedit apply PHOTO "变成黑色" --mask MASK.png。',
    },
    "misspelt": {
        "en": "Not understood: {}; did you mean {}?",
        "zh": "未能理解：{}；您是想说{}吗？",
    },
    "question": {
        "en": "reedit changes photos, it does not answer questions about them (“{}”); say what to change.",
        "zh": "reedit 只修改照片，不回答关于照片的问题（“{}”）；请说明要改什么。",
    },
    "undo": {
        "en": "There is nothing to undo (“{}”): the photo you give is never changed, every edit is a new file.",
        "zh": "没有可撤销的内容（“{}”）：原照片从不改动，每次修改都另存为新文件。",
    },
    "effect": {
        "en": "The built-in editor does not have this effect (“{}”); what it has is in reedit editors, "
        f"a generative editor can do more: {_MODEL}.",
        "zh": f"内置编辑器没有这种效果（“{{}}”）；它有的效果见 reedit editors，生成式编辑器可以做得更多：{_MODEL}。",
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

_TAKEN = re.compile(r"[把将](.+)$")
_OF = re.compile(r"^of\s+", re.IGNORECASE)
_INTO = re.compile(r"\b(?:turn|change|transform|convert|make)\b.{1,40}?\b(?:into|to)\b|(?:变成|变为|改成)")


def refusal(clause: str, unknown: str, language: Language, around: str = "") -> Refused:
    """The refusal of `clause`, whose words from `unknown` on are not understood; around: what it stands in."""
    if _beyond(clause) is None and (typos := _typos(clause)):
        typos |= _typos(around)
        wrong, right = (_listed(words, language) for words in (typos.keys(), typos.values()))
        return Refused(_SENTENCES["misspelt"][language].format(wrong, right))
    if (said := grammar_says(clause)) is not None:
        return Refused(said)
    kind, words = _kind(clause, unknown)
    return Refused(_SENTENCES[kind][language].format(_short(words)))


def _listed(words: Iterable[str], language: Language) -> str:
    """The words in quotation marks."""
    return ("、" if language == "zh" else ", ").join(f"“{word}”" for word in words)


def nothing_asked(request: str, language: Language) -> Refused:
    """The refusal of a request that only says what to leave as it is."""
    return Refused(_SENTENCES["nothing"][language].format(_short(request)))


def no_colour(request: str, language: Language) -> Refused:
    """The refusal of "more colourful" for a black and white photo."""
    return Refused(_SENTENCES["colorize"][language].format(_short(request)))


def colorizing(request: str, language: Language) -> Refused | None:
    """The refusal of "colorize this black and white photo", whose words would otherwise fall apart into wishes."""
    if _beyond(request) != "colorize":
        return None
    return no_colour(request, language)


def grammar_says(clause: str, *, masked: bool = False) -> str | None:
    """The editor's own words where it knows every word and still cannot act: "+9 EV", "brighter and darker"."""
    try:
        grammar.parse(clause, masked=masked)
    except (Beyond, Contradiction) as error:
        return str(error)
    except EditError:
        return None
    return None


def _typos(clause: str) -> dict[str, str]:
    """The unknown words of `clause` that are nearly known ones, and those. They are asked for, never assumed."""
    from difflib import get_close_matches

    targets, known = _spellings()
    found = {}
    for word in re.findall(r"[a-z]{4,}", fold(clause)):
        if word in known or word.removesuffix("s") in known:
            continue
        swapped = next((t for t in targets if _is_swapped(word, t)), None)
        near = [t for t in get_close_matches(word, targets, n=3, cutoff=0.84) if t[0] == word[0]]
        if swapped or near:
            found[word] = swapped or near[0]
    return found


def _is_swapped(word: str, known: str) -> bool:
    """Whether `word` is `known` with two neighbouring letters in the wrong order."""
    if len(word) != len(known) or word == known:
        return False
    at = next(i for i, (a, b) in enumerate(zip(word, known, strict=True)) if a != b)
    return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :] == known


@cache
def _spellings() -> tuple[tuple[str, ...], frozenset[str]]:
    """Words that name an operation, a direction or a part of a photo; and all words that are known at all."""
    targets, known = set[str](), set[str]()
    for phrase, (kind, _) in index().items():
        words = re.findall(r"[a-z]{4,}", phrase)
        known.update(words)
        if kind in _TARGETS and words == [phrase] and not phrase.endswith(("ing", "ed", "s")):
            targets.add(phrase)
    for entry in load_knowledge():
        for pattern in entry.patterns:
            spelt = {w for slot in getattr(pattern, "slots", ()) for w in slot.exact if w.isalpha()}
            known |= spelt
            targets |= {w for w in spelt if len(w) > _LONG_ENOUGH}
    known.update(SPELLING)
    vocabulary = load_vocabulary()
    for group in vocabulary.nouns.values():
        known.update(group.en)
    for words_ in (vocabulary.filler, *vocabulary.verbs.values(), vocabulary.weaker, vocabulary.stronger):
        known.update(words_.en)
    return tuple(sorted(targets)), frozenset(known)


def _kind(clause: str, unknown: str) -> tuple[str, str]:
    folded = fold(clause)
    vocabulary = load_vocabulary()
    if (kind := _beyond(clause)) is not None:
        return kind, unknown if kind == "add" else clause
    if _position(folded, vocabulary.negations.en, vocabulary.negations.zh):
        return "negation", clause
    for kind in ("remove", "replace", "pose", "clothes", "body", "add", "detail"):
        verbs = vocabulary.verbs[kind]
        if span := _position(folded, verbs.en, verbs.zh):
            thing = _object(clause, span)
            return kind, thing if thing and kind in ("remove", "add") else clause
    if _INTO.search(folded):
        return "replace", clause
    return "unknown", unknown


def _object(clause: str, verb: tuple[int, int]) -> str:
    """What a verb is said of: the words after it ("rid of the wrinkles"), or those after 把 before it."""
    after = clause[verb[1] :].strip(" ,.;:，。；：")
    before = _TAKEN.search(clause[: verb[0]])
    return _OF.sub("", after) or (before.group(1).strip() if before else "")


def _beyond(clause: str) -> str | None:
    """The kind of request that `clause` is by a pattern of the vocabulary, if it is one that must be refused."""
    request = Request.of(clause)
    for kind, patterns in load_vocabulary().beyond_patterns.items():
        for spans in (spans for pattern in patterns for spans in pattern.find(request)):
            if kind == "words" and "\ufffc" in request.text:
                continue  # the words are said; it is something else that is not understood
            # 背景里的汽车 is a car, not the background
            if request.text[spans[-1][1] :][:1] not in tuple("里中内"):
                return kind
    return None


def _position(folded: str, english: tuple[str, ...], chinese: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the first of the words stands in `folded`."""
    latin = "|".join(map(re.escape, english))
    other = "|".join(map(re.escape, sorted(chinese, key=len, reverse=True)))
    longer = {t.start: t.end for t in _tokens(folded) if t.cjk}
    for found in re.finditer(rf"\b(?:{latin})\b(?!\s+out\b)|(?:{other})", folded):
        # 放 of 放大 is no verb of its own
        if found.end() - found.start() > 1 or found.end() >= longer.get(found.start(), 0):
            return found.span()
    return None


def _tokens(text: str) -> tuple[Token, ...]:
    try:
        return read(text).tokens
    except EditError:
        return ()


def _short(text: str) -> str:
    text = " ".join(text.split()).strip("“”\"' ,.;，。；")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

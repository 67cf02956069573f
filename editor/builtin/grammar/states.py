"""Adjectives that tell what a photo is like now, not what to do: "the dark photo", "fix the blurry picture".

An attribute ("brighten this dark photo", "把模糊的照片变清晰") is passed over. A complaint ("the photo is blurry",
"correct the underexposed sky", "画面有点暗") asks for the opposite.
"""

from __future__ import annotations

from editor.base import NotUnderstood
from editor.builtin.grammar.clause import Clause
from editor.builtin.grammar.messages import say
from editor.builtin.grammar.words import Token

FAULTS = {
    "dark", "dim", "blurry", "blurred", "defocused", "unfocused", "out of focus", "hazy", "milky", "flat", "dull",
    "washed out", "pale colors", "muted colors", "low contrast", "overexposed", "underexposed", "noisy", "grainy",
    "colorless", "昏暗", "偏暗", "发暗", "幽暗", "暗", "模糊", "过曝", "欠曝", "曝光不足的", "雾蒙蒙", "朦胧", "迷蒙",
    "灰暗", "暗淡", "平淡", "噪点多", "yellowish", "bluish", "greenish", "reddish", "pinkish", "purplish", "orangish",
}  # fmt: skip
"""Qualities that nobody asks for by naming a thing that has them."""
_BARE = FAULTS - {"暗", "朦胧", "迷蒙"}
"""Chinese predicates among them that complain without any other word: "人脸过曝"."""
_NEVER_WISHED = {"underexposed", "overexposed", "underexposure", "overexposure", "曝光不足", "过曝", "欠曝"}
"""Faults even without a subject."""
_SIGNED = {"leaf", "foliage", "grass", "fruit", "flower", "some leaves"}
_NOUNS = {"photo", "region", "word"}
_DEFINITE = {"the", "this", "that", "these", "those", "my", "our", "your", "his", "her", "their", "这", "这个", "那",
             "那个", "张", "幅", "这张", "那张", "这幅", "该", "此"}  # fmt: skip
_COPULAS = {"is", "are", "was", "look", "looks", "looking", "appear", "appears", "seem", "feel"}
_WISHES = {
    "should",
    "should be",
    "must",
    "must be",
    "want",
    "i want",
    "wish",
    "希望",
    "应该",
    "想要",
    "要",
    "will",
    "would",
}
_COMMANDS = {
    "verb",
    "ba",
    "up",
    "down",
    "add",
    "remove",
    "action",
    "look",
    "prop",
    "to",
    "too",
    "enough",
    "recolor",
}
_DOING = {"action", "look", "prop", "colorish", "color", "recolor", "up", "down", "add", "remove", "crop", "rotate",
          "straighten", "flip", "resize", "symptom", "healthy", "pale", "num", "write", "border", "swap",
          "too"}  # fmt: skip
_REPAIRS = ("repair", "fadeword")
_FLAWS = {"-denoise", "-dehaze", "grain", "fog", "vignette"}
"""What a repair takes away: "fix the noise"."""


def settle(clause: Clause) -> None:
    """Pass over attributes, notice complaints. Raises NotUnderstood for a clause that only tells what there is."""
    _take_flaws_away(clause)
    _tell_excess(clause)
    _refuse_descriptions(clause)
    attributes = [i for i in clause.at("quality") if _is_attribute(clause, i)]
    repairing = clause.has(*_REPAIRS)
    doing = any(t.kind in _DOING for i, t in enumerate(clause.tokens) if i not in clause.used)
    others = [i for i in clause.at("quality") if i not in attributes]
    if attributes and (doing or others):
        clause.used.update(attributes)
    elif attributes and not repairing:
        last = min(attributes[-1] + 2, len(clause.tokens) - 1)
        raise NotUnderstood(
            say("“{}” says what is there, not what to do.", clause.slice(attributes[0], last))
        )
    clause.complaint = _complains(clause, repairing)


def _tell_excess(clause: Clause) -> None:
    """ "饱和度有点高", "噪点有点多": too much of it; "对比度有点低": too little."""
    bit = any(t.text in ("有点", "有些") for t in clause.tokens)
    if not bit or not clause.has("prop") or clause.has("verb", "ba"):
        return
    for i in clause.at("up", "down"):
        old = clause.tokens[i]
        kind = "too" if old.kind == "up" else "enough"
        clause.tokens[i] = Token(kind, "", old.text, old.start, old.end, old.cjk)


def _refuse_descriptions(clause: Clause) -> None:
    """ "the skin looks yellow" is no wish for yellow skin; of a leaf it is the sign that is wanted."""
    if clause.has("margin", "tip", "between") or any(
        clause.tokens[i].value in _SIGNED for i in clause.at("region")
    ):
        return
    for i in clause.at("color"):
        before = clause.before(i)
        said = before is not None and before.text in (
            "is",
            "are",
            "was",
            "looks",
            "look",
            "appears",
            "appear",
        )
        if (
            said
            and not clause.has(*_COMMANDS - {"prop"})
            and not any(t.text in _WISHES for t in clause.tokens)
        ):
            raise NotUnderstood(
                say("“{}” says what is there, not what to do.", clause.slice(0, len(clause.tokens) - 1)[:80])
            )


def _take_flaws_away(clause: Clause) -> None:
    named = [clause.tokens[i].value for i in clause.at("prop", "look")]
    if named and all(value in _FLAWS for value in named) and not clause.has("up", "down", "add", "remove"):
        for i in clause.at(*_REPAIRS):
            old = clause.tokens[i]
            clause.tokens[i] = Token("remove", "", old.text, old.start, old.end, old.cjk)


def _is_attribute(clause: Clause, place: int) -> bool:
    """Whether the quality belongs to the noun after it, and is said of something that is already there."""
    after = clause.after(place)
    joined = after is not None and after.text == "的"
    if joined:
        after = clause.after(place + 1)
    elif clause.tokens[place].text == "模糊":  # a verb, unless 的 follows: "模糊背景"
        return False
    zone = (
        after is not None
        and after.kind == "prop"
        and after.value in ("shadows", "highlights", "blacks", "whites")
    )
    if after is None or (after.kind not in _NOUNS and not zone):
        return False
    before = place - 1
    while before >= 0 and clause.tokens[before].kind in ("degree", "too", "quality"):
        before -= 1
    first = clause.tokens[before] if before >= 0 else None
    if first is None:
        return clause.tokens[place].text in FAULTS and after.kind == "photo"
    if first.kind == "ba" or (first.cjk and first.kind in ("action", "up")):
        return joined or clause.tokens[place].text in FAULTS
    acting = first.kind in ("action", *_REPAIRS) or (first.kind == "verb" and not first.cjk and not joined)
    fault = clause.tokens[place].text in FAULTS
    return first.text in _DEFINITE or (acting and fault and after.kind == "photo")


def _complains(clause: Clause, repairing: bool) -> bool:
    heads = [clause.tokens[i] for i in clause.at("quality", "colorish")]
    if (
        not heads
        or clause.leaves_out()
        or clause.has("up", "down", "add", "remove", "too", "enough", "action", "look")
    ):
        return False
    zoned = any(clause.tokens[i].value in ("shadows", "highlights") for i in clause.at("prop"))
    if repairing:
        return not zoned
    if clause.has(*_COMMANDS) or any(t.text in _WISHES for t in clause.tokens):
        return False
    texts = {t.text for t in heads}
    if any(t.text in ("有点", "有些") for t in clause.tokens):
        return True
    if texts <= _NEVER_WISHED:
        return True
    named = {clause.tokens[i].value for i in clause.at("region", "color")}
    if named & {"skin", "face", "white"} and all(t.cjk and t.text[0] in "偏发泛" for t in heads):
        return True
    subject = clause.has("photo", "region", "word", "pron", "color")
    if all(t.cjk for t in heads):
        first = clause.tokens.index(heads[0])
        said_of = [t for t in clause.tokens[:first] if t.kind in ("photo", "region")]
        after = clause.tokens[first + 1 :]
        calm = not any(t.kind in ("degree", "num", *_NOUNS) for t in after) and "background" not in named
        return texts <= _BARE and bool(said_of) and calm
    bit = any(t.kind == "degree" and t.value == 0 for t in clause.tokens)  # "it looks a bit cold"
    return (bit or texts <= FAULTS) and any(t.text in _COPULAS for t in clause.tokens) and subject

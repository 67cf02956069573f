"""From readings to judgement: the score of a result, the conclusion on it, and its quality, all with the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from agent.rules import wording
from agent.types import Consistency, Language, Quality, Task, Verdict
from editor.base import EditError, Image, UsageError
from editor.builtin import grammar, regions
from editor.builtin.core import Op, Region
from editor.builtin.effects import METRICS, Pair, Reading, region_words
from editor.measure import Facts

TOUCHED = 0.02
"""Outside of the user's mask: a larger share of changed pixels than this means that the edit has spilled over."""
SPILLED = 0.20
"""The same where only reedit named the region: its border is less sure."""
GRAIN_OF_DOUBT = 2
"""Differences outside of a mask up to this many of 255 come from re-encoding and are not seen."""
STEPS_MOST = 3
"""A corrective instruction has at most this many steps, like a plan."""

_BY_METRIC: dict[str, str] = {
    "lightness": "brightness", "contrast": "contrast", "shadows": "shadows", "highlights": "highlights",
    "blacks": "blacks", "whites": "whites", "haze": "-dehaze", "local_contrast": "clarity",
    "chroma": "saturation", "vibrance": "vibrance", "warmth": "temperature", "tint": "tint",
    "garish": "saturation", "clipped": "contrast",
}  # fmt: skip
"""metric -> the step that raises it, where a step does just that."""
_REMEDY = {"detail": "blur", "noise": "denoise"}
"""metric -> the step that lowers it, where that is another operation."""
_ONCE = frozenset(
    {"black_and_white", "invert", "flip", "crop", "aspect", "rotate", "straighten", "resize", "border", "inpaint",
     "text", "watermark", "color_pop", "posterize", "pencil", "stylize", "pixelate", "sepia", "auto_levels",
     "white_balance", "cross_process"}
)  # fmt: skip
"""Operations that make no sense twice: never "more of it"."""
_MEANT_TO_BE_ROUGH = frozenset(
    {"invert", "posterize", "pencil", "pixelate", "stylize", "grain", "snow", "rain", "blur", "depth_blur", "fog",
     "denoise", "day_to_night", "border", "text", "watermark", "glow", "resize"}
)  # fmt: skip
"""Operations whose purpose is what would count against the quality of any other picture."""


def aims(readings: Sequence[Reading]) -> list[Reading]:
    """The readings that say how much of the request was done: measured, and not mere limits."""
    return [r for r in readings if not r.effect.is_limit and r.verdict != "unmeasurable"]


def credit(reading: Reading) -> float:
    """How much of an effect is there, 0..1: enough 1, strong 0.7, weak up to 0.6 by its share, reversed 0."""
    if reading.verdict == "weak":
        return 0.6 * min(1.0, max(0.0, reading.value / reading.effect.at_least))
    return {"enough": 1.0, "strong": 0.7}.get(reading.verdict, 0.0)


def consistency(readings: Sequence[Reading], facts: Facts, language: Language) -> Consistency:
    """Score a result: raw_score = 10 * mean credit - 2 for each major conflict - 0.5 for each minor one, 0 to 10.

    Major: an effect in the wrong direction, a change outside of the mask or region. Minor: an effect or a limit
    overdone. An omission is an operation of which nothing at all can be seen.
    """
    found = aims(readings)
    if not found:
        return Consistency(meets_instruction="partial", raw_score=5, reason=unmeasured(readings, language))
    share = sum(credit(r) for r in found) / len(found)
    major = sum(r.verdict == "reversed" for r in found) + spills(readings, facts)
    minor = sum(r.verdict == "strong" and r.effect.area != "outside" for r in readings)
    done = all(r.verdict in ("enough", "strong") for r in found)
    return Consistency(
        meets_instruction="yes" if done else "no" if share < 0.3 else "partial",
        major_conflicts=major,
        minor_conflicts=minor,
        omissions=len(_omitted(found)),
        raw_score=min(10.0, max(0.0, 10 * share - 2 * major - 0.5 * minor)),
        reason=numbers(readings, facts, language),
    )


def conclude(
    task: Task, ops: Sequence[Op], result: Image, readings: Sequence[Reading], facts: Facts
) -> Verdict:
    """Success when every effect is there, Reflection with a step for what is not, Failed when no step can mend it."""
    language = task.language
    found = aims(readings)
    if not found:
        return Verdict(tag="unknown", reasoning=unmeasured(readings, language))
    reasoning = numbers(readings, facts, language)
    broken = any(METRICS[r.effect.metric].family == "size" and r.verdict != "enough" for r in found)
    if broken or spilled(readings, facts) or any(r.verdict == "reversed" for r in found):
        return Verdict(tag="Failed", reasoning=reasoning)
    if all(r.verdict == "enough" for r in found) and np.array_equal(result, task.source):
        return Verdict(tag="Success", reasoning=wording.ALREADY[language] + reasoning, already=True)
    faults = [r for r in readings if r.verdict in ("weak", "strong")]
    if not faults:
        return _done(found, reasoning, language)
    steps = _corrections(task, ops, result, faults)
    if steps:
        return Verdict(tag="Reflection", reasoning=reasoning, instruction=steps)
    # nothing in the grammar would mend it: what is overdone can be lived with, what is missing cannot
    if any(r.verdict == "weak" for r in found):
        return Verdict(tag="Failed", reasoning=reasoning)
    return _done(found, reasoning, language)


def _done(found: Sequence[Reading], reasoning: str, language: Language) -> Verdict:
    """Success; unknown where a part of the photo was found in doubt, for the numbers are read in just that part."""
    least = min(found, key=lambda r: r.confidence)
    if least.confidence >= regions.SURE:
        return Verdict(tag="Success", reasoning=reasoning)
    name = region_words(least.op.region, chinese=language == "zh")
    if language == "zh":
        doubt = f"“{name}”找得没有把握（{least.confidence:.0%}），改的是否是该改的地方无从断定；"
    else:
        doubt = f"“{name}” was found with low confidence ({least.confidence:.0%}), so what was edited may not be it; "
    return Verdict(tag="unknown", reasoning=doubt + reasoning)


def quality(semantic: float, ops: Sequence[Op], result: Image, facts: Facts) -> Quality:
    """SC is the score. PQ = 10 less what went wrong with the pixels, unless the request was for just that:

    40 per unit of newly clipped share (3.2 for 8 points), up to 3 for detail lost below 0.6 of the source's, up to 3
    for noise or halos (detail above 1.8 of it), up to 3 for gaps in the tones (banding), 2 for a picture that is
    nearly black or white, 2 for a mean chroma above 60.
    """
    penalties = {"clipping": 40 * max(0.0, facts.clipped[1] - facts.clipped[0] - 0.01)}
    if not any(op.name in _MEANT_TO_BE_ROUGH for op in ops):
        detail = facts.detail[1] / max(0.05, facts.detail[0])
        penalties["lost detail"] = 5 * max(0.0, 0.6 - detail)
        penalties["noise or halos"] = min(3.0, 2 * max(0.0, detail - 1.8))
        penalties["banding"] = min(3.0, 5 * max(0.0, gaps(result) - 0.3))
        penalties["lightness"] = 2.0 if not 8 < facts.lightness[1] < 95 else 0.0
        penalties["garish colours"] = 2.0 if facts.chroma[1] > 60 > facts.chroma[0] else 0.0
    counted = [f"{name} -{points:.1f}" for name, points in penalties.items() if points >= 0.05]
    perceptual = min(10.0, max(0.0, 10.0 - sum(penalties.values())))
    return Quality(
        semantic=semantic, perceptual=perceptual, reason=", ".join(counted) or "no faults measured"
    )


def gaps(image: Image) -> float:
    """Share of the 8-bit green levels between the 5 and the 95 per cent quantiles that no pixel has: banding."""
    step = max(1, int((image.shape[0] * image.shape[1] / 200_000) ** 0.5))
    green = image[::step, ::step, 1]
    levels = (green >> (0 if green.dtype == np.uint8 else 8)).ravel()
    counts = np.bincount(levels, minlength=256)
    low, high = np.searchsorted(np.cumsum(counts), [0.05 * levels.size, 0.95 * levels.size])
    between = counts[low : high + 1]
    return float(np.mean(between == 0)) if between.size >= 32 else 0.0


def spills(readings: Sequence[Reading], facts: Facts) -> int:
    """How many conflicts lie outside of what was to be edited: 0 or 1.

    Outside of the user's own mask nothing at all may differ beyond re-encoding; around a region that reedit found by
    itself, 2 % of the rest may visibly change.
    """
    if facts.outside_changed is not None:
        return int(facts.outside_changed > 0 and (facts.outside_max or 0) > GRAIN_OF_DOUBT)
    return int(any(r.effect.area == "outside" and r.verdict == "strong" for r in readings))


def spilled(readings: Sequence[Reading], facts: Facts) -> bool:
    """Whether so much changed outside that the edit must be made anew."""
    if facts.outside_changed is not None:
        return facts.outside_changed > TOUCHED and (facts.outside_max or 0) > GRAIN_OF_DOUBT
    return any(r.effect.area == "outside" and r.effect.is_limit and r.value > SPILLED for r in readings)


def numbers(readings: Sequence[Reading], facts: Facts, language: Language) -> str:
    """What was measured, as one paragraph: shortfalls first, limits only where they are broken."""
    told = [
        r for r in readings if not math.isnan(r.value) and (not r.effect.is_limit or r.verdict == "strong")
    ]
    told.sort(key=lambda r: (r.verdict == "unmeasurable", r.verdict == "enough"))
    sentences = [_with_verdict(r, language) for r in told]
    if facts.outside_changed is not None:
        outside = f"{facts.outside_changed:.2%}"
        sentences.append(
            f"蒙版之外 {outside} 的像素不同" if language == "zh" else f"outside the mask {outside} differ"
        )
    return ("；" if language == "zh" else "; ").join(sentences) + ("。" if language == "zh" else ".")


def unmeasured(readings: Sequence[Reading], language: Language) -> str:
    """Why nothing can be said."""
    sentences = "; ".join(dict.fromkeys(r.sentence(language) for r in readings if not r.effect.is_limit))
    return (
        f"无法测量这一请求：{sentences}。"
        if language == "zh"
        else f"This request cannot be measured: {sentences}."
    )


def _with_verdict(reading: Reading, language: Language) -> str:
    words = {
        "weak": ("too weak: ", "不足："),
        "strong": ("too strong: ", "过度："),
        "reversed": ("in the wrong direction: ", "方向相反："),
    }
    return words.get(reading.verdict, ("", ""))[language == "zh"] + reading.sentence(language)


def _omitted(found: Sequence[Reading]) -> list[Op]:
    """Operations of which nothing can be seen."""
    ops = list({id(r.op): r.op for r in found}.values())
    return [op for op in ops if all(r.verdict == "weak" and credit(r) < 0.1 for r in found if r.op is op)]


def _corrections(task: Task, ops: Sequence[Op], result: Image, faults: Sequence[Reading]) -> str | None:
    """The corrective instruction for the result, or None when no step of the grammar would help."""
    steps: list[str] = []
    mended: set[int] = set()
    for reading in faults:
        if reading.verdict == "weak" and id(reading.op) in mended:
            continue
        step = next(_candidates(task, ops, result, reading), None)
        if step is not None and step not in steps:
            steps.append(step)
            if grammar.parse(step, masked=task.mask is not None)[0].name == reading.op.name:
                mended.add(id(reading.op))
    if not steps:
        return None
    text = ("，" if task.language == "zh" else ", ").join(steps[:STEPS_MOST])
    return None if text.casefold() == task.instruction.strip().rstrip(".。").casefold() else text


def _candidates(task: Task, ops: Sequence[Op], result: Image, reading: Reading) -> Iterator[str]:
    """Steps that would mend one fault, best first: in the grammar, feasible on the result, and not what was asked."""
    for key, level in ((key, level) for key in _keys(reading) for level in _levels(reading)):
        step = wording.step(key, level, reading.op.region, chinese=task.language == "zh")
        parsed = _parsed(step, task) if step else None
        if step is None or parsed is None or len(parsed) != 1:
            continue
        name, region = parsed[0].name, parsed[0].region
        known = name == key.lstrip("-") and _same(region, reading.op.region)
        again = any(op.name == name and math.isclose(op.amount, parsed[0].amount, rel_tol=0.05) for op in ops)
        if known and not again and _can_be_found(region, task, result):
            yield step


def _keys(reading: Reading) -> Iterator[str]:
    """The entries of wording.STEPS that would mend a fault: the operation itself, then what moves the metric."""
    effect, op = reading.effect, reading.op
    if reading.verdict == "weak" and op.name in _ONCE:
        return
    if reading.verdict == "weak":
        yield f"-{op.name}" if op.amount < 0 else op.name
        upwards = effect.at_least > 0
    else:
        upwards = (effect.at_most or 0.0) < 0
        if effect.metric in _REMEDY and not upwards:
            yield _REMEDY[effect.metric]
    key = _BY_METRIC.get(effect.metric)
    if key is not None and effect.area in ("region", "centre"):
        yield key if upwards else _opposite(key)


def _opposite(key: str) -> str:
    return key.removeprefix("-") if key.startswith("-") else f"-{key}"


def _levels(reading: Reading) -> tuple[str, ...]:
    """How much to ask for, best first, by how far the value is from where it should be."""
    if reading.verdict == "strong":
        return ("slightly",)
    return ("slightly", "plain") if credit(reading) > 0.25 else ("plain", "strongly", "slightly")


def _parsed(step: str, task: Task) -> tuple[Op, ...] | None:
    try:
        return tuple(grammar.parse(step, masked=task.mask is not None))
    except (EditError, UsageError):
        return None


def _same(first: Region, second: Region) -> bool:
    """Whether two names mean the same part; a mask and the whole are the same where there is a mask."""
    bare = [
        Region() if r.kind == "mask" else replace(r, noun="", rect=None, text="") for r in (first, second)
    ]
    return bare[0] == bare[1]


def _can_be_found(region: Region, task: Task, result: Image) -> bool:
    limit = task.mask if task.mask is not None and task.mask.shape == result.shape[:2] else None
    try:
        Pair(result, result, limit).mask(region)
    except (EditError, UsageError):
        return False
    return True

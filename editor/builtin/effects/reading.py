"""Compares a pair of pictures with what the operations of a plan were expected to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from editor.base import EditError, Image, Mask, UsageError
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import WHOLE, Context, Op
from editor.builtin.effects.expectation import Effect, expected
from editor.builtin.effects.metrics import METRICS
from editor.builtin.effects.naming import region_words
from editor.builtin.effects.pair import Pair, View

Assessment = Literal["enough", "weak", "strong", "reversed", "unmeasurable"]
Language = Literal["en", "zh"]

OUTSIDE = 0.02
"""Where only reedit, not the user, said where the edit ends: the share of the rest that may visibly change."""
UNCHANGED = 0.005
"""Below this share of visibly changed pixels no operation can have hidden the effect of another."""
_ALL = frozenset({"tone", "colour", "texture", "structure", "falloff"})
_DISTURBS: dict[str, frozenset[str]] = {
    "tone": frozenset({"tone", "structure"}),
    "colour": frozenset({"colour"}),
    "film": frozenset({"tone", "colour"}),
    "light": frozenset({"tone", "colour", "falloff"}),
    "weather": _ALL,
    "detail": frozenset({"texture", "structure"}),
    "effect": _ALL,
    "plant": frozenset({"tone", "colour", "structure"}),
    "retouch": frozenset(),
    "text": frozenset(),
    "geometry": frozenset(),
    # operations that disturb less, or more, than others of their kind
    "auto_levels": frozenset({"tone", "structure", "colour"}),
    "dehaze": frozenset({"tone", "structure", "colour"}),
    "fade": frozenset({"tone", "colour", "noise"}),
    "-contrast": frozenset({"tone", "structure", "chroma", "vibrance"}),
    "sepia": frozenset({"colour", "contrast"}),
    "black_and_white": frozenset({"colour", "contrast"}),
    "grain": frozenset({"texture"}),
    "vignette": frozenset({"lightness", "highlights", "shadows", "whites", "blacks"}),
    "invert": frozenset({"tone", "colour"}),
    "posterize": _ALL,
}
"""kind or name of an operation -> families of metrics, or metrics, whose shortfall it may have caused.

"-name": where the operation takes away what it would add.
"""


_LAID_ON = frozenset({"brown", "plain"})
"""What these count is laid over what was there: only a later operation can have hidden it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one expected effect came to."""

    op: Op
    effect: Effect
    value: float
    verdict: Assessment
    confidence: float = 1.0
    """0..1: how surely the part of the photo it was read in is the one that is meant."""

    def sentence(self, language: Language = "en") -> str:
        """The reading with its numbers, for example "contrast of L rose by 24 % (at least 5 %)"."""
        chinese = language == "zh"
        metric = METRICS[self.effect.metric]
        name = _place(self, language) + metric.names[chinese]
        if chinese and name[-1].isascii():
            name += " "
        if math.isnan(self.value):
            return f"{name}无法测量" if chinese else f"{name} could not be measured here"
        if math.isinf(self.value):
            return f"{name}原本就已达到" if chinese else f"{name} was as asked already"
        bound = self._bound(chinese)
        size = _number(abs(self.value), metric.unit)
        if not metric.state and size == _number(0.0, metric.unit):
            return f"{name}没有变化（{bound}）" if chinese else f"{name} did not change ({bound})"
        if metric.state:
            return (
                f"{name}：{_number(self.value, metric.unit)}（{bound}）"
                if chinese
                else (f"{name}: {_number(self.value, metric.unit)} ({bound})")
            )
        if chinese:
            return f"{name}{'上升' if self.value >= 0 else '下降'} {size}（{bound}）"
        return f"{name} {'rose' if self.value >= 0 else 'fell'} by {size} ({bound})"

    def _bound(self, chinese: bool) -> str:
        effect, unit = self.effect, METRICS[self.effect.metric].unit
        if self.verdict == "unmeasurable":
            return "其他步骤也影响它，未作评判" if chinese else "not judged: another step acts on it too"
        most = effect.is_limit or self.verdict == "strong"
        bound = effect.at_most if most else effect.at_least
        text = _number(abs(bound or 0.0), unit)
        if self.verdict == "reversed":
            direction = (
                "a fall" if effect.at_least < 0 else "a rise",
                "下降" if effect.at_least < 0 else "上升",
            )
            return f"应{direction[1]}至少 {text}" if chinese else f"{direction[0]} of at least {text} was due"
        if chinese:
            return f"{'至多' if most else '至少'} {text}"
        return f"{'at most' if most else 'at least'} {text}"


def assess(ops: Sequence[Op], source: Image, result: Image, limit: Mask | None = None) -> list[Reading]:
    """One reading for each effect of each operation, in order; source and result (H, W, 3) uint8 or uint16.

    Operations of geometry are applied to the source first, so that the other effects are read from pictures that
    show the same frame. Effects of several operations are untangled by two rules: when two push the same metric of
    the same area in opposite directions it is "unmeasurable"; and when an effect falls short although the picture
    changed and another operation may have hidden it, that proves nothing and is "unmeasurable" too.
    The last reading, when every operation names a region and the user gave no limit, is what changed outside of them.
    """
    try:
        pair = _pair(ops, source, result, limit)
    except (EditError, UsageError):
        return [Reading(op, effect, math.nan, "unmeasurable") for op in ops for effect in expected(op)]
    readings = [_reading(pair, op, _placed(effect, op, ops)) for op in ops for effect in expected(op)]
    readings = [_untangled(reading, readings, pair) for reading in readings]
    if limit is None:
        readings.extend(_outside(pair, ops))
    return readings


def judged(effect: Effect, value: float) -> Assessment:
    """The verdict on a value.

    With both signs turned so that the expected change is positive: above at_most strong, from at_least on enough,
    below -at_least/4 reversed (a smaller step back is measuring noise), else weak.
    """
    if not math.isfinite(value):
        return "unmeasurable" if math.isnan(value) else "enough"
    sign = math.copysign(1.0, effect.at_least or effect.at_most or 1.0)
    signed = value * sign
    if effect.at_most is not None and signed > abs(effect.at_most):
        return "strong"
    if effect.is_limit or signed >= abs(effect.at_least):
        return "enough"
    return "reversed" if signed < -abs(effect.at_least) / 4 else "weak"


def _pair(ops: Sequence[Op], source: Image, result: Image, limit: Mask | None) -> Pair:
    from editor.builtin.engine import resolve

    reference, inside = source, limit
    moves = [op for op in ops if OPERATIONS[op.name].kind == "geometry"]
    for op in moves:
        height, width = reference.shape[:2]
        context = Context(inside, np.random.default_rng(0), (0, 0, width, height), reference)
        reference = resolve(OPERATIONS[op.name].function)(reference, op, context)
        inside = inside if inside is not None and inside.shape == reference.shape[:2] else None
    return Pair(reference, result, inside, source if moves else None)


def _placed(effect: Effect, op: Op, ops: Sequence[Op]) -> Effect:
    """The effect, read in the centre where a vignette of the same plan would hide it further out."""
    hidden = op.name != "vignette" and any(other.name == "vignette" for other in ops)
    if hidden and effect.area == "region" and METRICS[effect.metric].family == "tone" and not effect.is_limit:
        return replace(effect, area="centre")
    return effect


def _reading(pair: Pair, op: Op, effect: Effect) -> Reading:
    region = WHOLE if OPERATIONS[op.name].kind == "geometry" else op.region
    measure = METRICS[effect.metric].measure
    try:
        here, there = pair.views(effect.area, region)
    except (EditError, UsageError):
        return Reading(op, effect, math.nan, "unmeasurable")
    if here.empty or (there is not None and there.empty):
        return Reading(op, effect, math.nan, "unmeasurable")
    value = measure(here, effect)
    if there is not None:
        value -= measure(
            there, effect
        )  # of two that are there already, or of one, the difference says nothing
        value = value if math.isfinite(value) else math.nan
    return Reading(op, effect, value, judged(effect, value), pair.found(region).confidence)


def _untangled(reading: Reading, readings: list[Reading], pair: Pair) -> Reading:
    """The reading, taken back when the other operations of the plan make it worthless."""
    op, effect = reading.op, reading.effect
    others = [other for other in readings if other.op is not op and _overlap(other.op, op)]
    rivals = [
        other.effect
        for other in others
        if other.op.region == op.region
        and (other.effect.metric, other.effect.area) == (effect.metric, effect.area)
    ]
    if effect.target is None and any(rival.at_least * effect.at_least < 0 for rival in rivals):
        return replace(reading, verdict="unmeasurable")
    if reading.verdict == "strong" and effect.at_most is not None and not effect.is_limit:
        most = abs(effect.at_most) + sum(abs(rival.at_most or math.inf) for rival in rivals)
        if abs(reading.value) <= most and rivals:
            return replace(reading, verdict="enough")
    if reading.verdict in ("weak", "reversed", "strong") and pair.changed_share > UNCHANGED:
        about = {effect.metric, METRICS[effect.metric].family}
        if effect.metric in _LAID_ON:
            place = next(i for i, other in enumerate(readings) if other.op is op)
            earlier = [other for other in readings[:place] if other in others]
            others = [other for other in readings[place:] if other in others]
            if reading.verdict == "reversed" and any(about & _disturbed(other.op) for other in earlier):
                reading = replace(reading, verdict="weak")
        if any(about & _disturbed(other.op) for other in others):
            return replace(reading, verdict="unmeasurable")
    return reading


def _disturbed(op: Op) -> frozenset[str]:
    signed = f"-{op.name}" if op.amount < 0 else op.name
    return _DISTURBS.get(signed) or _DISTURBS.get(op.name) or _DISTURBS[OPERATIONS[op.name].kind]


def _overlap(first: Op, second: Op) -> bool:
    # parts of a photo with different names may share pixels; a part and all but it do not
    return first.region != replace(second.region, invert=not second.region.invert)


def _outside(pair: Pair, ops: Sequence[Op]) -> Iterator[Reading]:
    parts = [op for op in ops if OPERATIONS[op.name].kind != "geometry"]
    if not parts or any(op.region == WHOLE or op.name == "color_pop" for op in parts):
        return
    try:
        masks = [pair.mask(op.region) for op in parts]
    except (EditError, UsageError):
        return
    known = [mask for mask in masks if mask is not None]
    if len(known) < len(masks):
        return
    everything = cv2.dilate(np.maximum.reduce(known), np.ones((5, 5), np.uint8))
    view = View(pair, everything == 0)
    if view.empty:
        return
    effect = Effect("change", 0.0, OUTSIDE, "outside", "everything else is as before")
    value = METRICS["change"].measure(view, effect)
    yield Reading(parts[0], effect, value, judged(effect, value))


def _number(value: float, unit: str) -> str:
    if unit == "%":
        percent = value * 100
        return f"{percent:.0f} %" if abs(percent) >= 1 or percent == 0 else f"{percent:.1g} %"
    if unit == "°":
        return f"{value:.0f}°"
    return f"{value:.1f}"


_AREAS: dict[str, tuple[str, str]] = {
    "outside": ("outside, ", "区域之外，"),
    "margin_vs_core": ("margin against middle, ", "边缘相对于中部，"),
    "between_vs_veins": ("between the veins against the veins, ", "叶脉间相对于叶脉，"),
    "tips": ("at tips and margins, ", "尖端与边缘处，"),
    "corners_vs_centre": ("corners against centre, ", "四角相对于中心，"),
    "top_vs_bottom": ("top against bottom, ", "上部相对于下部，"),
    "dark_half": ("darker half, ", "较暗的一半，"),
    "light_half": ("lighter half, ", "较亮的一半，"),
    "centre": ("in the centre, ", "中心处，"),
    "light_vs_dark": ("lighter against darker half, ", "较亮的一半相对于较暗的一半，"),
}


def _place(reading: Reading, language: Language) -> str:
    """Where it was measured, as the words before a metric's name."""
    chinese = language == "zh"
    area = _AREAS.get(reading.effect.area, ("", ""))[chinese]
    region = reading.op.region
    if region.kind == "whole" or reading.effect.area == "whole":
        return area
    text = region_words(region, chinese=chinese)
    if not text:
        return area
    return f"{text}：{area}" if chinese else f"{text}: {area}"

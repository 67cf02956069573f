"""Carries out a parsed step: find the region, run each operation, keep what lies outside bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import cv2
import numpy as np

from editor.base import CannotDo, EditRequest, EditResult, Image, Mask
from editor.builtin import grammar, regions
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import Context, Op, OpFunction
from editor.builtin.grammar.amounts import label
from editor.builtin.grammar.messages import say, speaking
from editor.builtin.pixels import blend

ABILITIES = (
    "Classical operations only, no generation. Tone (exposure, brightness, contrast, gamma, highlights, shadows, "
    "blacks, whites, levels, dehaze, clarity), colour (saturation, vibrance, temperature, tint, hue, white balance, "
    "recolour a region, keep one region in colour, black and white, invert, posterize), film looks (sepia, fade, "
    "split tone, teal and orange, grain, vignette, cross process, bleach bypass), light and weather (graduated sky, "
    "golden hour, day to night, snow, fog, rain), blur, sharpen, denoise, pixelate, glow, pencil, painting; crop, "
    "aspect ratio, rotate, straighten, flip, resize, border; text and watermark; leaf symptoms (yellowing, margin or "
    "interveinal chlorosis, tip burn, spots, wilting, purpling, paling, browning, greening, autumn colours); filling "
    "a masked object from its surroundings. Regions: the whole photo, subject, background, sky, foliage, leaf, "
    "grass, flower, fruit, skin, face, water, ground, a colour with a noun, left, right, top, bottom, centre. "
    "It cannot add, replace or move objects, change poses, or invent detail."
)
_AI_FREE = {
    "tone": "algorithmicallyEnhanced",
    "colour": "algorithmicallyEnhanced",
    "film": "algorithmicallyEnhanced",
}


@dataclass(frozen=True, slots=True)
class Applied:
    """An operation after it ran: the mask it used ((H, W) uint8 of its input) and the region's confidence."""

    op: Op
    mask: Mask | None
    confidence: float


class BuiltinEditor:
    """Editor over the step grammar. Deterministic: the same request gives the same pixels."""

    name = "builtin"
    abilities = ABILITIES

    def edit(self, request: EditRequest) -> EditResult:
        """Parse the step and run its operations in order.

        Raises NotUnderstood, CannotDo or RegionNotFound; the request's image is never modified.
        """
        ops = grammar.parse(request.instruction, masked=request.mask is not None)
        image, limit = request.image, request.mask
        done: list[Applied] = []
        rng = np.random.default_rng(request.seed)
        for number, op in enumerate(ops):
            if request.progress:
                request.progress(number, len(ops))
            before = image
            with speaking(request.instruction):
                image, applied = run(image, op, limit, rng)
            if applied.mask is not None:
                regions.inherit(before, image)
            if image.shape != request.image.shape:
                limit = None
            done.append(applied)
        if request.progress:
            request.progress(len(ops), len(ops))
        return EditResult(
            image=image,
            mask=_union(done) if image.shape == request.image.shape else None,
            details={"operations": [_details(a) for a in done]},
            notes=tuple(_doubts(done, request.instruction)),
            source_type=_source_type(ops),
        )


def run(image: Image, op: Op, limit: Mask | None, rng: np.random.Generator) -> tuple[Image, Applied]:
    """Run one operation inside its region and the user's limit."""
    row = OPERATIONS[op.name]
    if row.kind == "geometry":
        if limit is not None and op.name != "crop":
            raise CannotDo(
                say("{} changes the whole photo; it cannot be limited by --mask or --region.", label(op.name))
            )
        height, width = image.shape[:2]
        context = Context(limit, rng, (0, 0, width, height), image)
        return resolve(row.function)(image, op, context), Applied(
            op, None, regions.find(image, op.about, limit).confidence
        )
    found = regions.find(image, op.region, limit)
    mask = found.mask
    if row.scope == "photo" or mask is None:
        height, width = image.shape[:2]
        edited = resolve(row.function)(image, op, Context(mask, rng, (0, 0, width, height), image))
        # colour pop works on what lies outside its region: it blends by itself
        return (edited if op.name == "color_pop" else blend(image, edited, mask)), Applied(
            op, mask, found.confidence
        )
    x, y, w, h = cv2.boundingRect(mask)
    part = image[y : y + h, x : x + w]
    part_mask = mask[y : y + h, x : x + w]
    context = Context(part_mask, rng, (x, y, image.shape[1], image.shape[0]), image)
    edited = resolve(row.function)(part, op, context)
    out = image.copy()
    out[y : y + h, x : x + w] = blend(part, edited, part_mask)
    return out, Applied(op, mask, found.confidence)


def resolve(target: str) -> OpFunction:
    """The function behind a catalog row."""
    module, _, name = target.partition(":")
    return cast("OpFunction", getattr(import_module(f"editor.builtin.ops.{module}"), name))


def _union(done: list[Applied]) -> Mask | None:
    if any(a.mask is None or a.op.name == "color_pop" for a in done):
        return None
    masks = [a.mask for a in done if a.mask is not None]
    return cast("Mask", np.maximum.reduce(masks)) if masks else None


def _details(applied: Applied) -> dict[str, Any]:
    details = applied.op.to_dict()
    if applied.mask is not None:
        details["confidence"] = round(applied.confidence, 3)
        details["region_share"] = round(float(np.count_nonzero(applied.mask > 127)) / applied.mask.size, 4)
    return details


def _doubts(done: list[Applied], instruction: str) -> list[str]:
    """A note for each region that was found without certainty, in the language of the instruction."""
    with speaking(instruction):
        return [
            say(
                "“{}” was found with low confidence ({:.0%}): check it, or say where it is with --mask or --region.",
                a.op.about.text or a.op.about.name,
                a.confidence,
            )
            for a in done
            if a.confidence < regions.SURE
        ]


def _source_type(ops: tuple[Op, ...]) -> str:
    kinds = {_AI_FREE.get(OPERATIONS[op.name].kind, "humanEdits") for op in ops}
    return kinds.pop() if len(kinds) == 1 else "humanEdits"
